"""Times the functions of a compiled network one by one, as it runs."""

import statistics
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from numpy.typing import NDArray
from tvm import relax

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.layer_profile import Profile
from mlperf_benchmark.tvm_compiler.artifact import Library
from mlperf_benchmark.tvm_compiler.weights import as_tensors

WARM_UP = 2
ROUNDS = 9


class CallTimer:
    """Times what a virtual machine calls, call by call."""

    def __init__(self, machine: Any) -> None:
        self._main = machine["main"]
        self._calls: list[tuple[str, float]] = []
        self._started = 0.0
        machine.set_instrument(self._instrument)

    def run(self, *arguments: Any) -> list[tuple[str, float]]:
        """The functions that one inference calls, in their order, with their seconds."""
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
    """A network out of a shared library, with ones for its parameters of `shapes` and dtypes."""

    def __init__(
        self,
        library: Path,
        parameters: Sequence[tuple[tuple[int, ...], str]],
        weights: Iterable[NDArray[Any]],
    ) -> None:
        machine = relax.VirtualMachine(tvm.runtime.load_module(str(library)), tvm.cpu())
        self._timer = CallTimer(machine)
        self._arguments = [tvm.runtime.tensor(np.ones(shape, dtype)) for shape, dtype in parameters]
        self._arguments.append(as_tensors(weights))

    def run(self) -> Mapping[str, float]:
        """Seconds of one inference by the name of the function."""
        times: dict[str, float] = defaultdict(float)
        for symbol, seconds in self._timer.run(*self._arguments):
            times[symbol] += seconds
        return times


def share_of_others(network: TimedNetwork, kernels: Collection[str]) -> float:
    """The part of an inference that functions other than `kernels` take.

    Of each function's times the median counts: now and then another program takes the core.
    """
    for _ in range(WARM_UP):
        network.run()
    runs = [network.run() for _ in range(ROUNDS)]
    times = {symbol: statistics.median(run[symbol] for run in runs) for symbol in runs[0]}
    others = sum(seconds for symbol, seconds in times.items() if symbol not in kernels)
    return others / sum(times.values())


BUILTIN = "vm."
"""What the names of the virtual machine's own functions begin with."""


def profile(machine: Any, library: Library, arguments: Sequence[Any], inferences: int) -> Profile:
    """The times of the kernels of `library`, which `machine` has loaded, over so many inferences.

    Raises ModelError where the library does not tell its kernels.
    """
    timer = CallTimer(machine)
    runs = [timer.run(*arguments) for _ in range(WARM_UP + inferences)][WARM_UP:]
    kernels = [[seconds for name, seconds in run if not name.startswith(BUILTIN)] for run in runs]
    if not library.layers:
        raise ModelError(
            "The model was compiled by an earlier version, which did not keep the names of its "
            "layers. Compile it again."
        )
    if len(kernels[0]) != len(library.layers):
        raise ModelError(
            f"The model's description names {len(library.layers)} kernels and {len(kernels[0])} "
            "are executed. Compile it again."
        )
    return Profile(library.layers, np.array(kernels))
