"""From a Relax module to machine code, with TVM's own operators parallelised."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tvm
from tvm import relax, s_tir, tirx
from tvm.support.cc import get_cc

from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.tvm_compiler.target import CpuTarget

CALLS = ("relax.call_tir", "relax.call_tir_inplace")


def legalised(module: Any, target: CpuTarget) -> Any:
    """Return a written module in which `main` calls only functions of the module."""
    with target.tvm_target():
        return relax.transform.LegalizeOps()(module)


@dataclass(frozen=True)
class Call:
    """A call of the function `symbol` for the variable of this number; `is_last` says that its
    result is that variable.
    """

    symbol: str
    number: int
    is_last: bool


def calls(module: Any, variables: Sequence[Any]) -> list[Call]:
    """Return the calls of a legalised module's `main`, in execution order, for each of `variables`,
    which were emitted in this order. TVM may compute a variable by several functions.
    """
    numbers = {variable: number for number, variable in enumerate(variables)}
    found: list[Call] = []
    pending: list[str] = []
    for block in module["main"].body.blocks:
        for binding in block.bindings:
            value = binding.value
            if getattr(getattr(value, "op", None), "name", "") in CALLS:
                pending.append(str(value.args[0].name_hint))
            number = numbers.get(binding.var)
            if number is not None:
                found += [Call(symbol, number, is_last=False) for symbol in pending[:-1]]
                found += [Call(symbol, number, is_last=True) for symbol in pending[-1:]]
                pending = []
    assert not pending, "all functions are called for what was emitted"
    return found


def build(module: Any, target: CpuTarget) -> Any:
    """Return the Relax executable of a lowered module; its `main` takes the weights as
    one tuple.
    """
    transform = relax.transform
    pipeline = tvm.transform.Sequential(
        [
            transform.BundleModelParams(),
            tvm.transform.module_pass(_parallelise, opt_level=0),
            transform.ToNonDataflow(),
            transform.RemovePurityChecking(),
            transform.CallTIRRewrite(),
            transform.StaticPlanBlockMemory(),
            transform.LowerAllocTensor(),
            transform.LowerRuntimeBuiltin(),
            transform.ComputePrimValue(),
            transform.VMShapeLower(),
            transform.AttachGlobalSymbol(),
        ]
    )
    return relax.build(module, target.tvm_target(), relax_pipeline=pipeline)


def check_linker() -> None:
    """Raise RunError if no compiler is installed with which TVM can link a library."""
    compiler = get_cc()
    if compiler is None or shutil.which(compiler) is None:
        raise RunError(
            "A C++ compiler is needed to link compiled models, and none was found: install g++, "
            "or name one in the environment variable CXX."
        )


def link(executable: Any, file: Path) -> None:
    """Write an executable as a shared library. Raises RunError with the linker's reason."""
    try:
        executable.export_library(str(file))
    except (RuntimeError, OSError) as error:
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        reason = lines[-1] if lines else type(error).__name__
        raise RunError(f"Linking the compiled model failed: {reason}") from error


def _parallelise(module: Any, _: Any) -> Any:
    """Give every function without a schedule a parallel loop in each of its blocks."""
    for variable, function in module.functions.items():
        scheduled = not isinstance(function, tirx.PrimFunc) or (
            function.attrs and function.attrs.get("tirx.is_scheduled")
        )
        if not scheduled:
            module.update_func(variable, _parallel(function))
    return module


def _parallel(function: Any) -> Any:
    schedule = s_tir.Schedule(tvm.IRModule({"main": function}))
    for block in schedule.get_child_blocks(schedule.get_sblock("root", func_name="main")):
        loops = schedule.get_loops(block)
        kinds = [int(v.iter_type) for v in schedule.get(block).iter_vars]
        outer = 0
        while outer < min(len(loops), len(kinds)) and kinds[outer] == tirx.IterVar.DataPar:
            outer += 1
        if outer:
            schedule.parallel(schedule.fuse(*loops[: max(outer - 1, 1)]))
    return schedule.mod["main"]
