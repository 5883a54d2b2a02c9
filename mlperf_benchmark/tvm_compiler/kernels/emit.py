"""What kernels have in common: parameters, the epilogue, the border of what they store."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.epilogue import (
    Apply,
    Coefficient,
    Epilogue,
    Limit,
    Linear,
    Multiply,
    Operation,
    PerChannel,
    Round,
    Scale,
)
from mlperf_benchmark.tvm_compiler.kernels.functions import FUNCTIONS
from mlperf_benchmark.tvm_compiler.kernels.loops import Split, parallel
from mlperf_benchmark.tvm_compiler.kernels.vectors import (
    PACKED,
    keep,
    limit,
    packed_bytes,
    ramp,
    rounded_bytes,
    splat,
    to_float,
)
from mlperf_benchmark.tvm_compiler.storage import LANES, View


@contextmanager
def tir_function() -> Iterator[IRBuilder]:
    """Write a TIR function, which the builder's `get` returns afterwards."""
    with IRBuilder() as builder, tir.prim_func(s_tir=True):
        # TVM shall not schedule it, and its buffers do not overlap.
        tir.func_attr({"tirx.is_scheduled": True, "tirx.noalias": True})
        yield builder


Place = tuple[Any, Any, Any, Any]
"""(image, channel block, y, x) of 16 channels of one pixel."""


@dataclass(frozen=True)
class Scratch:
    """The float32 elements of extra memory that a kernel needs: for all tasks, and for
    each thread.
    """

    together: int
    each: int


@dataclass(frozen=True)
class Parameters:
    """The buffers of a kernel: input, weights (or none), addends, arrays, more inputs, output.

    With scratch, also the buffer for all tasks, and that of the first thread, which is followed by
    those of the others. Of kernels that share their work out themselves, the number of threads.
    """

    source: Any
    weights: Any
    addends: tuple[Any, ...]
    arrays: tuple[Any, ...]
    more: tuple[Any, ...]
    sink: Any
    together: Any = None
    each: Any = None
    threads: Any = None


@dataclass(frozen=True)
class Stored:
    """How results are stored: the views of the output and of the addends, and the epilogue.

    `packs` says that the processor can pack the bytes of several pixels into one register.
    """

    sink: View
    addends: tuple[View, ...]
    epilogue: Epilogue
    packs: bool = False


def build(
    source: tuple[int, str],
    weights: tuple[int, str] | None,
    stored: Stored,
    body: Callable[[Parameters], None],
    more: Sequence[tuple[int, str]] = (),
    *,
    scratch: Scratch | None = None,
    by_thread: bool = False,
) -> Any:
    """Return a TIR function over flat buffers; `source`, `weights` and `more` are (elements,
    dtype).

    Its parameters are the input, the weights, the addends, the arrays of the epilogue, the other
    inputs, the scratch, the number of threads if `by_thread`, and the output.
    """

    def buffer(name: str, size: Any, dtype: str = "float32") -> Any:
        return tir.arg(name, tir.buffer((size,), dtype))

    with tir_function() as builder:
        body(
            Parameters(
                buffer("source", *source),
                buffer("weights", *weights) if weights else None,
                tuple(
                    buffer(f"addend{i}", view.size, view.dtype)
                    for i, view in enumerate(stored.addends)
                ),
                tuple(
                    buffer(f"array{i}", stored.sink.blocks * LANES)
                    for i in range(stored.epilogue.arrays)
                ),
                tuple(buffer(f"source{i}", *one) for i, one in enumerate(more, 1)),
                together=buffer("together", scratch.together) if scratch else None,
                each=buffer("each", scratch.each) if scratch else None,
                threads=buffer("threads", 1, "int32") if by_thread else None,
                sink=buffer("sink", stored.sink.size, stored.sink.dtype),
            )
        )
    return builder.get()


def finish(accumulated: Any, stored: Stored, p: Parameters, place: Place) -> None:
    """Run the epilogue on 16 channels, a vector of any dtype, and store them at `place`."""
    target = [ramp(stored.sink.offset(*place))]
    if not stored.epilogue.operations and str(accumulated.ty) == f"{stored.sink.dtype}x{LANES}":
        tir.buffer_store(p.sink, accumulated, target)
        return

    context, operations = _Context(stored, p, place), stored.epilogue.operations
    last = operations[-1] if operations else None
    if isinstance(last, Round):
        running = _run(context, to_float(accumulated), operations[:-1])
        running = rounded_bytes(limit(running, last.low, last.high))
    else:
        running = _run(context, to_float(accumulated), operations)
    if stored.sink.dtype == "uint8" and not isinstance(last, Round):
        running = running.astype("int32x16").astype("uint8x16")
    tir.buffer_store(p.sink, running, target)


def finish_row(accumulated: Sequence[Any], stored: Stored, p: Parameters, place: Place) -> None:
    """Do the same for 16 channels of adjacent pixels of a row, the first of them at `place`."""
    n, block, y, x = place
    operations = stored.epilogue.operations
    last = operations[-1] if operations else None
    size = PACKED if stored.packs and isinstance(last, Round) else 1
    for first in range(0, len(accumulated), size):
        places = [(n, block, y, x + j) for j in range(first, min(first + size, len(accumulated)))]
        if len(places) == 1 or not isinstance(last, Round):
            finish(accumulated[first], stored, p, places[0])
            continue
        vectors = [
            _run(_Context(stored, p, at), to_float(vector), operations[:-1])
            for vector, at in zip(accumulated[first:], places, strict=False)
        ]
        target = ramp(stored.sink.offset(*places[0]), LANES * len(vectors))
        tir.buffer_store(p.sink, packed_bytes(vectors, last.low, last.high), [target])


@dataclass(frozen=True)
class _Context:
    """The 16 channels at `place` of the output, to which an epilogue is applied."""

    stored: Stored
    parameters: Parameters
    place: Place

    def coefficient(self, value: Coefficient) -> Any:
        if isinstance(value, PerChannel):
            return self.parameters.arrays[value.index][ramp(self.place[1] * LANES)]
        return splat(value)

    def addend(self, index: int) -> Any:
        """Return the addend; a value with only one image, channel or pixel is repeated."""
        view, buffer = self.stored.addends[index], self.parameters.addends[index]
        n, block, y, x = self.place
        sink = self.stored.sink
        n = 0 if view.batch < sink.batch else n
        y = 0 if view.height < sink.height else y
        x = 0 if view.width < sink.width else x
        if view.channels < sink.channels:
            return to_float(splat(buffer[view.offset(n, 0, y, x)]))
        return to_float(buffer[ramp(view.offset(n, block, y, x))])


def _run(context: _Context, running: Any, operations: Sequence[Operation]) -> Any:
    """Apply `operations` to a vector of 16 channels."""
    for operation in operations:
        if isinstance(operation, Linear):
            running = _linear(context, running, operation)
        elif isinstance(operation, Limit):
            running = limit(running, operation.low, operation.high)
        elif isinstance(operation, Apply):
            running = FUNCTIONS[operation.function](keep(running))
        elif isinstance(operation, Scale):
            factor = context.addend(operation.addend)
            if operation.coefficient != 1.0:
                factor = factor * context.coefficient(operation.coefficient)
            if operation.offset != 0.0:
                factor = factor + context.coefficient(operation.offset)
            running = running * factor
        elif isinstance(operation, Multiply):
            running = keep(running)
            left, right = operation.left, operation.right
            running = _run(context, running, left) * _run(context, running, right)
        else:
            running = limit(tirx.nearbyint(running), operation.low, operation.high)
    return running


def _linear(context: _Context, running: Any, operation: Linear) -> Any:
    total = None if operation.offset == 0.0 else context.coefficient(operation.offset)
    for term in operation.terms:
        value = running if term.addend is None else context.addend(term.addend)
        if term.coefficient != 1.0:
            value = value * context.coefficient(term.coefficient)
        total = value if total is None else total + value
    return total


def fill_halo(buffer: Any, view: View, place: tuple[Any, Any, Any], rows: int) -> None:
    """Fill the border beside `rows` rows from `place` = (image, block, y) on.

    The first rows of an image bring the border above with them, the last the border below.
    """
    n, block, y = place
    top, left, bottom, right = view.halo
    if view.halo == (0, 0, 0, 0):
        return
    lanes = LANES if view.block == LANES else 1
    value = tirx.const(int(view.fill) if view.dtype == "uint8" else view.fill, view.dtype)

    def fill(first_row: Any, row_count: int, first_column: int, columns: int) -> None:
        if not row_count or not columns:
            return
        with tir.serial(0, row_count) as row, tir.serial(0, columns * view.block // lanes) as step:
            offset = view.offset(n, block, first_row + row, first_column) + step * lanes
            if lanes == 1:
                tir.buffer_store(buffer, value, [offset])
            else:
                tir.buffer_store(buffer, tir.broadcast(value, lanes), [ramp(offset)])

    fill(y, rows, -left, left)
    fill(y, rows, view.width, right)
    width = left + view.width + right
    if top:
        with tir.If(y == 0), tir.Then():
            fill(-top, top, -left, width)
    if bottom:
        with tir.If(y + rows == view.height), tir.Then():
            fill(view.height, bottom, -left, width)


def parallel_rows(buffer: Any, view: View, body: Callable[[Any, Any, Any], None]) -> None:
    """Fill `buffer` with one row of one channel block per task, and the border beside it.

    `body` gets (image, block, y).
    """

    def task(first: list[Any], _: list[int]) -> None:
        n, block, y = first
        body(n, block, y)
        fill_halo(buffer, view, (n, block, y), 1)

    parallel([Split(view.batch, 1), Split(view.blocks, 1), Split(view.height, 1)], task)
