"""The processor that a library is compiled for, and whether this one can run it."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tvm
from tvm.target import codegen

from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.registry import known_name

_REQUIRED = ("avx2", "fma")
_LINUX_NAMES = MappingProxyType(
    {
        "avx2": "avx2",
        "avx512bf16": "avx512_bf16",
        "avx512bitalg": "avx512_bitalg",
        "avx512bw": "avx512bw",
        "avx512cd": "avx512cd",
        "avx512dq": "avx512dq",
        "avx512f": "avx512f",
        "avx512fp16": "avx512_fp16",
        "avx512ifma": "avx512ifma",
        "avx512vbmi": "avx512vbmi",
        "avx512vbmi2": "avx512_vbmi2",
        "avx512vl": "avx512vl",
        "avx512vnni": "avx512_vnni",
        "avx512vpopcntdq": "avx512_vpopcntdq",
        "avxifma": "avx_ifma",
        "avxneconvert": "avx_ne_convert",
        "avxvnni": "avx_vnni",
        "avxvnniint8": "avx_vnni_int8",
        "bmi": "bmi1",
        "bmi2": "bmi2",
        "f16c": "f16c",
        "fma": "fma",
        "gfni": "gfni",
        "lzcnt": "abm",
        "movbe": "movbe",
        "popcnt": "popcnt",
        "vaes": "vaes",
        "vpclmulqdq": "vpclmulqdq",
    }
)
"""LLVM's names of what it may use in a kernel, and Linux's."""

_CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class CpuTarget:
    """The LLVM name of a processor and those of its features that kernels may use."""

    cpu: str
    features: tuple[str, ...]

    @property
    def avx512(self) -> bool:
        return {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= set(self.features)

    @property
    def vnni(self) -> str | None:
        """The register width in bits of one-instruction int8 dot products, None without them."""
        if self.avx512 and "avx512vnni" in self.features:
            return "512"
        return "256" if "avxvnni" in self.features else None

    @property
    def splits_512(self) -> bool:
        """Whether an AVX-512 instruction takes two cycles of 256 bits."""
        return self.cpu == "znver4"

    def tvm_target(self) -> Any:
        """Return TVM's target; features that the name implies but `features` lacks are switched
        off.
        """
        named = _features_of(self.cpu)
        off = [f"-{feature}" for feature in named if feature not in self.features]
        return tvm.target.Target({"kind": "llvm", "mcpu": self.cpu, "mattr": off})


def host_target() -> CpuTarget:
    """Return this machine without what a hypervisor hides. Raises UsageError on unknown
    machines.
    """
    cpu = str(codegen.llvm_get_system_cpu())
    flags = _host_flags()
    features = tuple(f for f in _features_of(cpu) if _LINUX_NAMES[f] in flags)
    return _checked(CpuTarget(cpu, features))


def cpu_target(name: str) -> CpuTarget:
    """Return the target of an LLVM processor name ("znver4", "haswell", "x86-64-v3") or "host"."""
    if name == "host":
        return host_target()
    generic = tvm.target.Target("llvm")
    known_name("target", name, [str(cpu) for cpu in codegen.llvm_get_cpu_archlist(generic)])
    return _checked(CpuTarget(name, _features_of(name)))


def check_host_runs(what: Path | str, cpu: str, features: tuple[str, ...]) -> None:
    """Raise ModelError if this processor lacks one of `features`, which `what` needs."""
    missing = host_lacks(features)
    if missing:
        raise ModelError(
            f'{what} was compiled for "{cpu}"; this processor lacks {", ".join(missing)}. '
            "Compile it again here, or with --target naming this processor."
        )


def host_lacks(features: tuple[str, ...]) -> list[str]:
    """Return those of `features` that this processor lacks."""
    flags = _host_flags()
    return [name for name in features if _LINUX_NAMES.get(name, name) not in flags]


def _features_of(cpu: str) -> tuple[str, ...]:
    target = tvm.target.Target({"kind": "llvm", "mcpu": cpu})
    return tuple(name for name in _LINUX_NAMES if codegen.target_has_features([name], target))


def _host_flags() -> frozenset[str]:
    try:
        lines = _CPU_INFO.read_text().splitlines()
    except OSError as error:
        raise UsageError(f"Cannot tell what this processor can do: {error}.") from error
    flags = (line.partition(":")[2] for line in lines if line.startswith("flags"))
    return frozenset(next(flags, "").split())


def _checked(target: CpuTarget) -> CpuTarget:
    missing = [feature for feature in _REQUIRED if feature not in target.features]
    if missing:
        raise UsageError(
            f'The target "{target.cpu}" lacks {" and ".join(missing)}, which the kernels need. '
            'Use "x86-64-v3" or a newer processor.'
        )
    return target
