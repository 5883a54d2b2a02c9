"""Loops that do only what is measured: arithmetic in registers, or reading memory."""

from collections.abc import Callable
from typing import Any

from tvm import tirx
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.kernels.dot import Dot, FloatDot, Vnni256Dot, Vnni512Dot
from mlperf_benchmark.tvm_compiler.kernels.emit import tir_function
from mlperf_benchmark.tvm_compiler.kernels.vectors import (
    accumulators,
    ramp,
    read,
    splat,
    write,
    zeros,
)
from mlperf_benchmark.tvm_compiler.storage import LANES

MOST_SUMS = 12
"""Enough to hide the latency of a multiply-add (4 or 5 cycles) behind two a cycle."""

READ_SUMS = 8


def arithmetic(dot: Dot, tasks: int, steps: int) -> Any:
    """Return a TIR function (source, weights, sink) that measures arithmetic.

    Each task takes `steps` steps of `sums_of(dot)` products of 16 channels. `source` has 64
    elements, `weights` 128, and `sink` 16 for each task.
    """
    sums = sums_of(dot)

    def body(task: Any, source: Any, weights: Any, sink: Any) -> None:
        accs = accumulators(sums, dot.accumulator)
        x = dot.load_input(source, tirx.const(0, "int32"))
        w = dot.load_weights(weights, tirx.const(0, "int32"))
        for number, acc in enumerate(accs):
            write(acc, splat(number, dot.accumulator))
        with tir.serial(0, steps) as step:
            if isinstance(dot, FloatDot):
                for acc in accs:
                    # This depends on the last step, so that no product can be moved out of the
                    # loop.
                    write(acc, read(acc) * x + w)
            else:
                if not isinstance(dot, Vnni512Dot) or type(dot) not in (Vnni512Dot, Vnni256Dot):
                    x = dot.load_input(source, (step % 8) * dot.group)
                for acc in accs:
                    dot.accumulate(acc, x, w)
        _store_total(accs, sink, task)

    return _function(
        ("source", 64, dot.source), ("weights", 128, dot.weights), (tasks, dot.accumulator), body
    )


def sums_of(dot: Dot) -> int:
    """Return how many sums of 16 channels fit into the registers."""
    registers = dot.registers
    free = registers.total - registers.weights - registers.element - 1
    return min(MOST_SUMS, free // registers.sums)


def reading(elements: int, tasks: int, passes: int) -> Any:
    """Return a TIR function (source, unused, sink) that measures reading.

    Each task adds up its part of `elements` float32 numbers `passes` times.
    """
    part = elements // tasks
    step = READ_SUMS * LANES

    def body(task: Any, source: Any, _: Any, sink: Any) -> None:
        accs = zeros(READ_SUMS)
        with tir.serial(0, passes), tir.serial(0, part // step) as place:
            for number, acc in enumerate(accs):
                offset = task * part + place * step + number * LANES
                write(acc, read(acc) + source[ramp(offset)])
        _store_total(accs, sink, task)

    return _function(
        ("source", elements, "float32"), ("unused", 1, "float32"), (tasks, "float32"), body
    )


def _store_total(accs: list[Any], sink: Any, task: Any) -> None:
    total = read(accs[0])
    for acc in accs[1:]:
        total = total + read(acc)
    tir.buffer_store(sink, total, [ramp(task * LANES)])


def _function(
    source: tuple[str, int, str],
    weights: tuple[str, int, str],
    sink: tuple[int, str],
    body: Callable[[Any, Any, Any, Any], None],
) -> Any:
    with tir_function() as builder:
        arguments = [
            tir.arg(name, tir.buffer((elements,), dtype))
            for name, elements, dtype in (source, weights, ("sink", sink[0] * LANES, sink[1]))
        ]
        with tir.parallel(0, sink[0]) as task:
            body(task, *arguments)
    return builder.get()
