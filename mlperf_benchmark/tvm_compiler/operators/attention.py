"""Attention: softmax(Q K^T) V of every head, in one kernel."""

import math
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.arrangement import Arranged
from mlperf_benchmark.tvm_compiler.epilogue import Scaling
from mlperf_benchmark.tvm_compiler.graph import Custom, Node
from mlperf_benchmark.tvm_compiler.kernels.emit import (
    Parameters,
    Stored,
    build,
    finish,
    parallel_rows,
)
from mlperf_benchmark.tvm_compiler.kernels.functions import exp
from mlperf_benchmark.tvm_compiler.kernels.loops import Split, for_parts, parallel
from mlperf_benchmark.tvm_compiler.kernels.reduction import fold, total
from mlperf_benchmark.tvm_compiler.kernels.vectors import (
    accumulators,
    keep,
    ramp,
    read,
    splat,
    write,
    zeros,
)
from mlperf_benchmark.tvm_compiler.module_writer import TirFunction, shape_name
from mlperf_benchmark.tvm_compiler.node_lowering import NodeLowering
from mlperf_benchmark.tvm_compiler.relax_meaning import Deferred
from mlperf_benchmark.tvm_compiler.storage import LANES, View

_FAR_BELOW = -1e30
"""Below any score: its share is nothing."""


@dataclass(frozen=True)
class Scores(Deferred):
    """Q K^T times `factor`, of tensors (…, tokens, channels of a head), or the softmax of that."""

    queries: Arranged
    keys: Arranged
    factor: float = 1.0
    normalised: bool = False


@dataclass(frozen=True)
class Heads:
    """`count` heads per image, each of `size` channels, starting at channel `start`.

    If there are several heads, each begins with a block of channels.
    """

    count: int
    size: int
    start: int


@dataclass(frozen=True)
class Attention(Custom):
    """Attention of the inputs Q, K and V, which have the same heads and images. Tokens
    are pixels.
    """

    queries: Heads
    keys: Heads
    values: Heads
    factor: float

    def multiply_accumulates(self, shapes: tuple[tuple[int, ...], ...]) -> int:
        """Return the multiply-accumulates of Q K^T and of the product with V."""
        (n, _, *queries), (_, _, *keys), _ = shapes
        scores = n * self.queries.count * math.prod(queries) * math.prod(keys)
        return scores * (self.queries.size + self.values.size)


@dataclass(frozen=True)
class AttentionSpec:
    """`rows` queries are multiplied with `vectors` of 16 keys at once, in registers."""

    operator: Attention
    views: tuple[View, View, View]
    stored: Stored
    rows: int
    vectors: int

    @property
    def batch(self) -> int:
        """The number of heads of all images."""
        return self.stored.sink.batch * self.operator.values.count


@dataclass(frozen=True)
class _Tokens:
    """Reads one head of a value."""

    buffer: Any
    view: View
    heads: Heads

    def vector(self, head: Any, block: Any, token: Any) -> Any:
        return self.buffer[ramp(self._offset(head, block, token))]

    def scalar(self, head: Any, channel: Any, token: Any) -> Any:
        offset = self._offset(head, channel // LANES, token)
        return self.buffer[offset + channel % LANES]

    def _offset(self, head: Any, block: Any, token: Any) -> Any:
        n, number = head // self.heads.count, head % self.heads.count
        first = self.heads.start // LANES + number * (-(-self.heads.size // LANES))
        return self.view.offset(n, first + block, *pixel(self.view, token))


def pixel(view: View, token: Any) -> tuple[Any, Any]:
    if view.height == 1:
        return 0, token
    return token // view.width, token % view.width


class AttentionKernel:
    """First transposes the keys so that 16 of them are consecutive. Then each task computes some
    queries of a head from the scores to the results.
    """

    def __init__(self, spec: AttentionSpec) -> None:
        self.spec = spec
        queries, keys, _ = spec.views
        self.queries = queries.height * queries.width
        self.keys = keys.height * keys.width
        self.padded = -(-self.keys // LANES) * LANES
        self.depth = spec.operator.queries.size
        self.blocks = -(-spec.operator.values.size // LANES)

    def function(self) -> Any:
        first, *others = [(view.size, "float32") for view in self.spec.views]
        return build(first, None, self.spec.stored, self.body, others)

    def body(self, p: Parameters) -> None:
        operator, views = self.spec.operator, self.spec.views
        queries = _Tokens(p.source, views[0], operator.queries)
        keys = _Tokens(p.more[0], views[1], operator.keys)
        values = _Tokens(p.more[1], views[2], operator.values)
        batch = self.spec.batch
        transposed = tir.alloc_buffer(
            (batch * self.depth * self.padded,), "float32", scope="global"
        )

        def transpose(first: list[Any], _: list[int]) -> None:
            head, group = first
            with tir.serial(0, self.depth) as channel, tir.serial(0, LANES) as lane:
                token = tirx.min(group * LANES + lane, self.keys - 1)
                to = (head * self.depth + channel) * self.padded + group * LANES + lane
                tir.buffer_store(transposed, keys.scalar(head, channel, token), [to])

        parallel([Split(batch, 1), Split(self.padded // LANES, 1)], transpose)

        def attend(first: list[Any], size: list[int]) -> None:
            head, token = first
            scores = tir.alloc_buffer((size[1] * self.padded,), "float32", scope="global")
            for_parts(
                Split(self.padded // LANES, self.spec.vectors),
                lambda group, count: self.multiply(
                    (queries, transposed, scores), (head, token, size[1]), (group, count)
                ),
            )
            shares = [self.softmax(scores, row) for row in range(size[1])]
            self.combine(p, (values, scores), (head, token), shares)

        parallel([Split(batch, 1), Split(self.queries, self.spec.rows)], attend)
        self.fill_border(p)

    def multiply(
        self,
        buffers: tuple[_Tokens, Any, Any],
        place: tuple[Any, Any, int],
        part: tuple[Any, int],
    ) -> None:
        """`place` = (head, first query, rows), `part` = (first vector of keys, vectors)."""
        queries, transposed, scores = buffers
        head, token, rows = place
        group, count = part
        sums = zeros(rows * count)
        with tir.serial(0, self.depth) as channel:
            origin = (head * self.depth + channel) * self.padded + group * LANES
            loaded = [transposed[ramp(origin + v * LANES)] for v in range(count)]
            for row in range(rows):
                element = splat(queries.scalar(head, channel, token + row))
                for v in range(count):
                    one = sums[row * count + v]
                    write(one, read(one) + element * loaded[v])
        factor = splat(self.spec.operator.factor)
        for number, one in enumerate(sums):
            row, v = divmod(number, count)
            to = row * self.padded + (group + v) * LANES
            tir.buffer_store(scores, read(one) * factor, [ramp(to)])

    def softmax(self, scores: Any, row: int) -> Any:
        """Turn a row of scores into exponentials; return a buffer with the reciprocal of
        their sum.
        """
        origin, vectors = row * self.padded, self.padded // LANES
        for token in range(self.keys, self.padded):
            far = tirx.const(_FAR_BELOW, "float32")
            tir.buffer_store(scores, far, [origin + token])
        [largest, sums] = accumulators(2, "float32")
        write(largest, splat(_FAR_BELOW))
        write(sums, splat(0.0))
        with tir.serial(0, vectors) as v:
            write(largest, tirx.max(read(largest), scores[ramp(origin + v * LANES)]))
        one = tir.alloc_buffer((1,), "float32", scope="global")
        tir.buffer_store(one, fold(largest, tirx.max), [0])
        with tir.serial(0, vectors) as v:
            place = ramp(origin + v * LANES)
            power = keep(exp(scores[place] - splat(one[0])))
            tir.buffer_store(scores, power, [place])
            write(sums, read(sums) + power)
        tir.buffer_store(one, tirx.const(1.0, "float32") / total(sums), [0])
        return one

    def combine(
        self,
        p: Parameters,
        buffers: tuple[_Tokens, Any],
        place: tuple[Any, Any],
        shares: list[Any],
    ) -> None:
        values, scores = buffers
        head, token = place
        sink, heads = self.spec.stored.sink, self.spec.operator.values.count

        def part(block: Any, count: int) -> None:
            sums = zeros(len(shares) * count)
            with tir.serial(0, self.keys) as key:
                loaded = [values.vector(head, block + b, key) for b in range(count)]
                for row in range(len(shares)):
                    share = splat(scores[row * self.padded + key])
                    for b in range(count):
                        one = sums[row * count + b]
                        write(one, read(one) + share * loaded[b])
            for number, one in enumerate(sums):
                row, b = divmod(number, count)
                target = head % heads * self.blocks + block + b
                y, x = pixel(sink, token + row)
                result = read(one) * splat(shares[row][0])
                finish(result, self.spec.stored, p, (head // heads, target, y, x))

        for_parts(Split(self.blocks, self.spec.vectors), part)

    def fill_border(self, p: Parameters) -> None:
        sink = self.spec.stored.sink
        if sink.halo == (0, 0, 0, 0):
            return

        parallel_rows(p.sink, sink, lambda *_: None)


def lower(lowering: NodeLowering, node: Node, operator: Attention) -> None:
    writer = lowering.writer
    stored, extra = lowering.stored(node, Scaling.none())
    q, k, v = (writer.view(name) for name in node.inputs)
    rows, vectors = (4, 6) if lowering.target.avx512 else (2, 3)
    spec = AttentionSpec(operator, (q, k, v), stored, rows, vectors)
    sources = [writer.blocked(name) for name in node.inputs]
    name = f"attention_{shape_name(stored.sink)}"
    function = TirFunction(name, spec, lambda: AttentionKernel(spec).function())
    writer.store(node.output, function, [sources[0], *extra, *sources[1:]])
