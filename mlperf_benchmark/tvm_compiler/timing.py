"""Times the functions of a compiled network one by one, as it runs."""

import statistics
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import relax

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.layer_profile import Profile
from mlperf_benchmark.tvm_compiler.artifact import Library, WorkingMemory
from mlperf_benchmark.tvm_compiler.constants import Constant
from mlperf_benchmark.tvm_compiler.memory import in_memory

WARM_UP = 2
ROUNDS = 9
BUILTIN = "vm."
"""What the names of the virtual machine's own functions begin with."""


class CallTimer:
    """Times what a virtual machine calls, call by call."""

    def __init__(self, machine: Any) -> None:
        self._main = machine["main"]
        self._calls: list[tuple[str, float]] = []
        self._started = 0.0
        machine.set_instrument(self._instrument)

    def run(self, *arguments: Any) -> list[tuple[str, float]]:
        """Run one inference and return the functions that it calls, in order, with their
        seconds.
        """
        self._calls = []
        self._main(*arguments)
        return self._calls

    def _instrument(self, _: Any, symbol: str, before: bool, *__: Any) -> int:
        if before:
            self._started = time.perf_counter()
        else:
            self._calls.append((symbol, time.perf_counter() - self._started))
        return 0


class TimedNetwork:
    """A network from a shared library, with parameters of ones in its `shapes` and dtypes."""

    def __init__(
        self,
        library: Path,
        parameters: Sequence[tuple[tuple[int, ...], str]],
        weights: Sequence[Constant],
        working: WorkingMemory,
        threads: int,
    ) -> None:
        machine = relax.VirtualMachine(tvm.runtime.load_module(str(library)), tvm.cpu())
        self._timer = CallTimer(machine)
        self._arguments = [tvm.runtime.tensor(np.ones(shape, dtype)) for shape, dtype in parameters]
        self._arguments.append(in_memory(weights, working, threads))

    def run(self) -> Mapping[str, float]:
        """Return the seconds of one inference by function name."""
        times: dict[str, float] = defaultdict(float)
        for symbol, seconds in self._timer.run(*self._arguments):
            times[symbol] += seconds
        return times


@dataclass(frozen=True)
class Others:
    """The share of an inference that functions other than our kernels take, and the seconds of
    each, slowest first.
    """

    share: float
    seconds: Mapping[str, float]


def times_of_others(network: TimedNetwork, kernels: Collection[str]) -> Others:
    """Return the times of functions that are not kernels, as medians, because other programs
    interfere.
    """
    for _ in range(WARM_UP):
        network.run()
    runs = [network.run() for _ in range(ROUNDS)]
    times = {symbol: statistics.median(run[symbol] for run in runs) for symbol in runs[0]}
    others: dict[str, float] = defaultdict(float)
    for symbol, seconds in times.items():
        # The virtual machine's overhead per function is not attributed to any.
        if symbol not in kernels and not symbol.startswith(BUILTIN):
            others[symbol.rstrip("0123456789").removeprefix("tir_")] += seconds
    ordered = sorted(others.items(), key=lambda item: -item[1])
    return Others(sum(others.values()) / sum(times.values()), dict(ordered))


def profile(machine: Any, library: Library, arguments: Sequence[Any], inferences: int) -> Profile:
    """Return the times of the kernels of `library`, loaded in `machine`, over `inferences`
    inferences.

    Raises ModelError if the library does not describe its kernels.
    """
    if not library.layers:
        raise ModelError(
            "The model was compiled by an earlier version, which did not keep the names of its "
            "layers. Compile it again."
        )
    timer = CallTimer(machine)
    runs = [timer.run(*arguments) for _ in range(WARM_UP + inferences)][WARM_UP:]
    kernels = [[call for call in run if not call[0].startswith(BUILTIN)] for run in runs]
    names = [layer.name for layer in library.layers]
    executed = [symbol for symbol, _ in kernels[0]]
    if executed != names:
        raise ModelError(
            f"The model's description names {len(names)} kernels, and others are executed "
            f"({len(executed)}). Compile it again."
        )
    return Profile(library.layers, np.array([[seconds for _, seconds in run] for run in kernels]))
