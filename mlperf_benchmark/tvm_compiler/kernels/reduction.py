"""Reduces 16 numbers to one."""

from collections.abc import Callable
from typing import Any

from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.kernels.vectors import ramp
from mlperf_benchmark.tvm_compiler.storage import LANES


def fold(accumulator: Any, combine: Callable[[Any, Any], Any]) -> Any:
    """Combine all elements of a buffer of 16 in pairs; this overwrites its contents."""
    count = LANES // 2
    while count > 1:
        low, high = accumulator[ramp(0, count)], accumulator[ramp(count, count)]
        tir.buffer_store(accumulator, combine(low, high), [ramp(0, count)])
        count //= 2
    return combine(accumulator[0], accumulator[1])


def total(accumulator: Any) -> Any:
    return fold(accumulator, lambda a, b: a + b)
