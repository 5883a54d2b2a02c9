"""Times the functions of a compiled network one by one, as it runs."""

import statistics
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from numpy.typing import NDArray
from tvm import relax

from mlperf_benchmark.tvm_compiler.weights import as_tensors

WARM_UP = 2
ROUNDS = 9


class TimedNetwork:
    """A network out of a shared library, with ones for its parameters of `shapes` and dtypes."""

    def __init__(
        self,
        library: Path,
        parameters: Sequence[tuple[tuple[int, ...], str]],
        weights: Iterable[NDArray[Any]],
    ) -> None:
        self._machine = relax.VirtualMachine(tvm.runtime.load_module(str(library)), tvm.cpu())
        self._times: dict[str, float] = defaultdict(float)
        self._started = 0.0
        self._machine.set_instrument(self._instrument)
        self._arguments = [tvm.runtime.tensor(np.ones(shape, dtype)) for shape, dtype in parameters]
        self._arguments.append(as_tensors(weights))

    def run(self) -> Mapping[str, float]:
        """Seconds of one inference by the name of the function."""
        self._times.clear()
        self._machine["main"](*self._arguments)
        return dict(self._times)

    def _instrument(self, _: Any, symbol: str, before: bool, *__: Any) -> int:
        if before:
            self._started = time.perf_counter()
        else:
            self._times[symbol] += time.perf_counter() - self._started
        return 0


@dataclass(frozen=True)
class Others:
    """The part of an inference that functions other than our kernels take, and the seconds of
    each, the slowest first."""

    share: float
    seconds: Mapping[str, float]


def times_of_others(network: TimedNetwork, kernels: Collection[str]) -> Others:
    """Of each function's times the median counts: now and then another program takes the core."""
    for _ in range(WARM_UP):
        network.run()
    runs = [network.run() for _ in range(ROUNDS)]
    times = {symbol: statistics.median(run[symbol] for run in runs) for symbol in runs[0]}
    others: dict[str, float] = defaultdict(float)
    for symbol, seconds in times.items():
        # What the virtual machine does for every function is nobody's fault.
        if symbol not in kernels and not symbol.startswith("vm."):
            others[symbol.rstrip("0123456789").removeprefix("tir_")] += seconds
    ordered = sorted(others.items(), key=lambda item: -item[1])
    return Others(sum(others.values()) / sum(times.values()), dict(ordered))
