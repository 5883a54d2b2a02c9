"""Times the functions of a compiled network one by one, as it runs."""

import statistics
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import relax

from mlperf_benchmark.tvm_compiler.artifact import WorkingMemory
from mlperf_benchmark.tvm_compiler.constants import Constant
from mlperf_benchmark.tvm_compiler.memory import in_memory

WARM_UP = 2
ROUNDS = 9


class TimedNetwork:
    """A network out of a shared library, with ones for its parameters of `shapes` and dtypes."""

    def __init__(
        self,
        library: Path,
        parameters: Sequence[tuple[tuple[int, ...], str]],
        weights: Sequence[Constant],
        working: WorkingMemory,
        threads: int,
    ) -> None:
        self._machine = relax.VirtualMachine(tvm.runtime.load_module(str(library)), tvm.cpu())
        self._times: dict[str, float] = defaultdict(float)
        self._started = 0.0
        self._machine.set_instrument(self._instrument)
        self._arguments = [tvm.runtime.tensor(np.ones(shape, dtype)) for shape, dtype in parameters]
        self._arguments.append(in_memory(weights, working, threads))

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
