"""Measures the highest rates of this machine with the instructions of our kernels."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tvm
import tvm_ffi

from mlperf_benchmark.tvm_compiler.graph import FloatArray
from mlperf_benchmark.tvm_compiler.kernels.dot import Dot, float_dot, int8_dot
from mlperf_benchmark.tvm_compiler.kernels.peak import READ_SUMS, arithmetic, reading, sums_of
from mlperf_benchmark.tvm_compiler.storage import LANES
from mlperf_benchmark.tvm_compiler.target import CpuTarget, host_target
from mlperf_benchmark.tvm_compiler.threads import rest_early, usable_threads, use_threads

STEPS = 2_000_000
"""A few milliseconds."""

REPEATS = 5
STREAMS = (1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 27)
"""Bytes: from what a core's second-level cache holds to what hardly any cache does."""

BYTES_A_PASS = 1 << 26
"""Smaller streams are read so often that as many bytes are read in all."""

_LINE = 16
"""float32 numbers of a cache line."""

_Measurement = Callable[[], float]


class PeakMeter:
    """Measures with `threads` threads; of repeated calls of `measure` the best counts."""

    def __init__(self, threads: int | None) -> None:
        # What is timed next shall not meet threads of this pool that look for work.
        rest_early()
        self.threads = usable_threads(threads)
        target = host_target()
        self.lanes = LANES if target.avx512 else LANES // 2
        # Weights whose pairs cannot overflow allow the faster products without VNNI.
        dots: dict[str, Dot] = {
            "f32": float_dot(target),
            "int8": int8_dot(target, np.zeros((1, 2, 1, 1), np.int8)),
        }
        self._arithmetic = {name: self._loop(dot, target) for name, dot in dots.items()}
        memory = aligned_ones(STREAMS[-1] // 4)
        self._streams = {size: self._stream(memory, size, target) for size in STREAMS}
        self.operations: dict[str, float] = {}
        """A second, by precision; a multiply-accumulate is two."""
        self.bytes: dict[int, float] = {}
        """A second, by the size of what is read."""

    def measure(self) -> None:
        use_threads(self.threads)
        for name, loop in self._arithmetic.items():
            self.operations[name] = max(self.operations.get(name, 0.0), loop())
        for size, loop in self._streams.items():
            self.bytes[size] = max(self.bytes.get(size, 0.0), loop())

    def _loop(self, dot: Dot, target: CpuTarget) -> _Measurement:
        function = _compiled(arithmetic(dot, self.threads, STEPS), target)
        arguments = [
            tvm.runtime.tensor(np.ones(count, dtype))
            for count, dtype in (
                (64, dot.source),
                (128, dot.weights),
                (self.threads * LANES, dot.accumulator),
            )
        ]
        operations = 2 * STEPS * sums_of(dot) * LANES * dot.group * self.threads
        return lambda: operations / _shortest(function, arguments)

    def _stream(self, memory: FloatArray, size: int, target: CpuTarget) -> _Measurement:
        passes = max(1, BYTES_A_PASS // size)
        step = READ_SUMS * LANES * self.threads
        elements = size // 4 // step * step
        function = _compiled(reading(elements, self.threads, passes), target)
        sink = np.zeros(self.threads * LANES, np.float32)
        arguments = [
            tvm_ffi.from_dlpack(memory[:elements]),
            *(tvm.runtime.tensor(array) for array in (np.zeros(1, np.float32), sink)),
        ]
        return lambda: elements * 4 * passes / _shortest(function, arguments)


def _shortest(function: Any, arguments: list[Any]) -> float:
    """Return the seconds of the fastest of a few calls: a peak must be undisturbed."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function(*arguments)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def aligned_ones(count: int) -> FloatArray:
    """Return ones aligned to a cache line, as vector loads require."""
    whole = np.ones(count + _LINE, np.float32)
    start = -(whole.ctypes.data // 4) % _LINE
    return whole[start : start + count]


def _compiled(function: Any, target: CpuTarget) -> Any:
    """Compile to machine code in memory, without linking."""
    named = function.with_attr("global_symbol", "peak")
    return tvm.compile(tvm.IRModule({"peak": named}), target=target.tvm_target())["peak"]
