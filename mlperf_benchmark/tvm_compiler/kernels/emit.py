"""Small pieces that the kernels are written with: vectors, loops, epilogue, halo."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
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
from mlperf_benchmark.tvm_compiler.kernels.functions import FUNCTIONS, keep
from mlperf_benchmark.tvm_compiler.storage import LANES, View

ATTRIBUTES = MappingProxyType({"tirx.is_scheduled": True, "tirx.noalias": True})
"""Of every TIR function here: TVM shall not schedule it, and its buffers do not overlap."""


def ramp(offset: Any, lanes: int = LANES) -> Any:
    return tirx.Ramp(offset, 1, lanes)


def splat(value: Any, dtype: str = "float32", lanes: int = LANES) -> Any:
    """Return a vector that repeats one number of Python or TIR."""
    scalar = tirx.const(value, dtype) if isinstance(value, (int, float)) else value
    return tir.broadcast(scalar, lanes)


def accumulators(count: int, dtype: str) -> list[Any]:
    """Return `count` buffers of one vector each: small enough that TVM leaves them on the stack,
    and separate so that LLVM promotes each to a register.
    """
    return [tir.alloc_buffer((LANES,), dtype, scope="global") for _ in range(count)]


def read(accumulator: Any) -> Any:
    return accumulator[ramp(0)]


def write(accumulator: Any, value: Any) -> None:
    tir.buffer_store(accumulator, value, [ramp(0)])


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

    With scratch, also the buffer for all tasks, that of the first thread, which is followed by
    those of the others, and the number of threads.
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
    """How results are stored: the views of the output and of the addends, and the epilogue."""

    sink: View
    addends: tuple[View, ...]
    epilogue: Epilogue


def build(
    source: tuple[int, str],
    weights: tuple[int, str] | None,
    stored: Stored,
    body: Callable[[Parameters], None],
    more: Sequence[tuple[int, str]] = (),
    *,
    scratch: Scratch | None = None,
) -> Any:
    """Return a TIR function over flat buffers; `source`, `weights` and `more` are (elements,
    dtype).

    Its parameters are the input, the weights, the addends, the arrays of the epilogue, the other
    inputs, the scratch and the output.
    """

    def buffer(name: str, size: Any, dtype: str = "float32") -> Any:
        return tir.arg(name, tir.buffer((size,), dtype))

    with IRBuilder() as builder, tir.prim_func(s_tir=True):
        tir.func_attr(dict(ATTRIBUTES))
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
                threads=buffer("threads", 1, "int32") if scratch else None,
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


def to_float(vector: Any) -> Any:
    if str(vector.ty).startswith("uint8"):
        vector = vector.astype("int32x16")
    return vector.astype("float32x16") if str(vector.ty).startswith("int32") else vector


def rounded_bytes(vector: Any) -> Any:
    """Round numbers from 0 to 255 to bytes. Adding 1.5 * 2^23, where float32 has only integers,
    rounds half to even into the lowest byte, which is faster than rounding and converting.
    """
    return tirx.reinterpret("int32x16", vector + splat(1.5 * 2**23)).astype("uint8x16")


def limit(vector: Any, low: float, high: float) -> Any:
    if low != float("-inf"):
        vector = tirx.max(vector, splat(float(low)))
    if high != float("inf"):
        vector = tirx.min(vector, splat(float(high)))
    return vector


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


CACHE_LINE = 64
"""Bytes."""

FIRST_LEVEL, SECOND_LEVEL = 3, 2
"""LLVM's numbers of caches."""


def prefetch(buffer: Any, offset: Any, level: int = SECOND_LEVEL) -> None:
    """Prefetch a cache line of `buffer` that will be read soon; it may lie past the end."""
    read_access, locality, data = (tirx.const(number, "int32") for number in (0, level, 1))
    address = tirx.address_of(buffer[offset])
    arguments = (address, read_access, locality, data)
    tir.evaluate(tirx.call_llvm_intrin("void", "llvm.prefetch", *arguments))


@dataclass(frozen=True)
class Split:
    """A dimension cut into `full` parts of `size` and one of `rest` (0: it divides evenly)."""

    extent: int
    size: int

    @property
    def full(self) -> int:
        return self.extent // self.size

    @property
    def rest(self) -> int:
        return self.extent % self.size

    @property
    def parts(self) -> int:
        return self.full + bool(self.rest)


def parallel(splits: Sequence[Split], body: Callable[[list[Any], list[int]], None]) -> None:
    """One parallel loop over the parts of all `splits`, the first outermost.

    `body` gets the first index and the size of its part in every dimension. It is emitted once
    for every combination of sizes that occurs.
    """
    with tir.parallel(0, _parts(splits)) as task:
        _emit_task(splits, task, body)


def parallel_by_thread(
    threads: Any, splits: Sequence[Split], body: Callable[[Any, list[Any], list[int]], None]
) -> None:
    """Like `parallel`, but each of `threads` threads has a row of tasks.

    `body` gets the number of the thread first.
    """
    total, count = _parts(splits), threads[0]
    with tir.parallel(0, count) as thread:
        share = (total + count - 1) // count
        with tir.serial(thread * share, tirx.min(thread * share + share, total)) as task:
            _emit_task(splits, task, lambda first, sizes: body(thread, first, sizes))


def _parts(splits: Sequence[Split]) -> int:
    return math.prod(split.parts for split in splits)


def _emit_task(
    splits: Sequence[Split], task: Any, body: Callable[[list[Any], list[int]], None]
) -> None:
    indices: list[Any] = []
    left = task
    for split in reversed(splits):
        indices.insert(0, left % split.parts if split is not splits[0] else left)
        left = left // split.parts
    cases = [
        [(size, part) for part, size in enumerate((s.size, s.rest)) if (s.full, s.rest)[part]]
        for s in splits
    ]
    for combination in product(*cases):
        condition = _condition(splits, indices, combination)
        first = [index * s.size for index, s in zip(indices, splits, strict=True)]
        sizes = [size for size, _ in combination]
        if condition is None:
            body(first, sizes)
        else:
            with tir.If(condition), tir.Then():
                body(first, sizes)


def _condition(
    splits: Sequence[Split], indices: Sequence[Any], combination: Sequence[tuple[int, int]]
) -> Any:
    """Return the test for this combination of full and rest parts, or None if there is only one."""
    condition = None
    for split, index, (_, is_rest) in zip(splits, indices, combination, strict=True):
        if not split.full or not split.rest:
            continue
        test = index >= split.full if is_rest else index < split.full
        condition = test if condition is None else tirx.all(condition, test)
    return condition


def for_parts(split: Split, body: Callable[[Any, int], None]) -> None:
    """Run a serial loop over the full parts, then the rest."""
    if split.full:
        with tir.serial(0, split.full) as index:
            body(index * split.size, split.size)
    if split.rest:
        body(tirx.const(split.full * split.size, "int32"), split.rest)
