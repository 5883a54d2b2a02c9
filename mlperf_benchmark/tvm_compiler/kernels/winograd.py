"""3x3 convolutions of stride 1 with fewer multiplications (see `winograd_transforms`)."""

from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.kernels.emit import (
    Parameters,
    Place,
    Scratch,
    build,
    fill_halo,
    finish,
)
from mlperf_benchmark.tvm_compiler.kernels.loops import (
    Split,
    for_parts,
    parallel,
    parallel_by_thread,
)
from mlperf_benchmark.tvm_compiler.kernels.specs import ConvolutionSpec, WinogradTile
from mlperf_benchmark.tvm_compiler.kernels.vectors import prefetch, ramp, read, zeros
from mlperf_benchmark.tvm_compiler.kernels.winograd_transforms import (
    both_ways,
    input_transform,
    output_transform,
)
from mlperf_benchmark.tvm_compiler.storage import LANES
from mlperf_benchmark.tvm_compiler.winograd_weights import TAPS, block_stride, points


@dataclass(frozen=True)
class TileGrid:
    """How many Winograd tiles cover a batch of outputs."""

    batch: int
    rows: int
    columns: int

    @classmethod
    def of(cls, spec: ConvolutionSpec, outputs: int) -> "TileGrid":
        sink = spec.stored.sink
        return cls(sink.batch, -(-sink.height // outputs), -(-sink.width // outputs))

    @property
    def total(self) -> int:
        return self.batch * self.rows * self.columns


def suits_winograd(spec: ConvolutionSpec) -> bool:
    """Whether the kernel can compute `spec`; not whether it is quicker."""
    window, source = spec.window, spec.source
    return (
        spec.dot.kind == "float32"
        and window.kernel == (TAPS, TAPS)
        and window.stride == (1, 1)
        and window.dilation == (1, 1)
        and source.block == LANES
        and not source.interleaved
        and not spec.stored.sink.interleaved
    )


@dataclass(frozen=True)
class _Squares:
    """[point][block][tile][16] of `buffer`, starting at element `origin`. Points are an odd number
    of vectors apart: a power of two would map all points of a tile to one set of the cache.
    """

    buffer: Any
    origin: Any
    points: int
    blocks: int
    tiles: int

    @property
    def stride(self) -> int:
        return (self.blocks * self.tiles | 1) * LANES

    @property
    def size(self) -> int:
        return self.points * self.stride

    def offset(self, point: Any, block: Any, tile: Any) -> Any:
        return self.origin + point * self.stride + (block * self.tiles + tile) * LANES


@dataclass(frozen=True)
class _Part:
    """`blocks` output blocks, starting at `block`, of `count` tiles, starting at `tile`."""

    block: Any
    blocks: int
    tile: Any
    count: int


class WinogradKernel:
    """Writes the TIR of one convolution."""

    def __init__(self, spec: ConvolutionSpec, tile: WinogradTile) -> None:
        self.spec = spec
        self.tile = tile
        self.sink = spec.stored.sink
        self.grid = TileGrid.of(spec, tile.outputs)
        self.points = points(tile.outputs)
        self.square = tile.outputs + TAPS - 1
        self.block_stride = block_stride(tile.outputs, spec.source.channels)

    @property
    def at_once(self) -> bool:
        return self.tile.group >= self.grid.total

    def scratch(self) -> Scratch:
        """The memory for transforms; inputs are shared by all tasks if these are groups of
        channels.
        """
        inputs = self.squares(None, 0).size
        products = self.products(None, 0, self.tile.blocks, self.tile.group).size
        return Scratch(inputs, products) if self.at_once else Scratch(1, inputs + products)

    def squares(self, buffer: Any, origin: Any) -> _Squares:
        blocks, tiles = self.spec.source.blocks, min(self.tile.group, self.grid.total)
        return _Squares(buffer, origin, self.points, blocks, tiles)

    def products(self, buffer: Any, origin: Any, blocks: int, tiles: int) -> _Squares:
        return _Squares(buffer, origin, self.points, blocks, tiles)

    def function(self) -> Any:
        weights = self.sink.blocks * self.block_stride
        source = (self.spec.source.size, self.spec.source.dtype)
        return build(
            source,
            (weights, self.spec.dot.weights),
            self.spec.stored,
            self.body,
            scratch=self.scratch(),
            by_thread=True,
        )

    def body(self, p: Parameters) -> None:
        if self.at_once:
            self.emit_at_once(p)
        else:
            self.emit_groups(p)

    def emit_groups(self, p: Parameters) -> None:
        blocks = self.spec.source.blocks

        def task(thread: Any, first: list[Any], size: list[int]) -> None:
            origin = thread * self.scratch().each
            squares = self.squares(p.each, origin)
            with tir.serial(0, blocks) as c, tir.serial(0, size[0]) as t:
                self.transform_input(p, squares, c, first[0] + t, t)

            def outputs(b: Any, count: int) -> None:
                products = self.products(p.each, origin + squares.size, count, size[0])
                self.emit_outputs(p, squares, products, _Part(b, count, first[0], size[0]))

            for_parts(Split(self.sink.blocks, self.tile.blocks), outputs)

        parallel_by_thread(p.threads, [Split(self.grid.total, self.tile.group)], task)

    def emit_at_once(self, p: Parameters) -> None:
        blocks, total = self.spec.source.blocks, self.grid.total
        squares = self.squares(p.together, 0)
        parallel(
            [Split(blocks, 1), Split(total, 1)],
            lambda first, _: self.transform_input(p, squares, first[0], first[1], first[1]),
        )

        def task(thread: Any, first: list[Any], size: list[int]) -> None:
            products = self.products(p.each, thread * self.scratch().each, size[0], total)
            self.emit_outputs(p, squares, products, _Part(first[0], size[0], 0, total))

        parallel_by_thread(p.threads, [Split(self.sink.blocks, self.tile.blocks)], task)

    def corner(self, tile: Any) -> tuple[Any, Any, Any]:
        """(image, y, x) of the first output of a tile."""
        across, in_image = self.grid.columns, self.grid.rows * self.grid.columns
        row = tile % in_image // across
        return tile // in_image, row * self.tile.outputs, tile % across * self.tile.outputs

    def transform_input(
        self, p: Parameters, squares: _Squares, block: Any, tile: Any, slot: Any
    ) -> None:
        n, top, left = self.corner(tile)
        padding = self.spec.window.padding

        def inside(first: Any, index: int, axis: int) -> Any:
            """Limit an index to what the last output needs: what lies beyond may belong to other
            images, and only outputs past the edge read it.
            """
            extent = (self.sink.height, self.sink.width)[axis]
            wanted = first + index
            if extent % self.tile.outputs and index > TAPS - 1:
                wanted = tirx.min(wanted, extent + TAPS - 2)
            return wanted - padding[axis]

        def load(i: int, j: int) -> Any:
            y, x = inside(top, i, 0), inside(left, j, 1)
            return p.source[ramp(self.spec.source.offset(n, block, y, x))]

        for i, j, value in both_ways(input_transform, self.tile.outputs, load):
            to = squares.offset(i * self.square + j, block, slot)
            tir.buffer_store(squares.buffer, value, [ramp(to)])

    def emit_outputs(
        self, p: Parameters, squares: _Squares, products: _Squares, part: _Part
    ) -> None:
        """Multiply all points and transform the products back; `squares` begin with the tiles of
        `part`.
        """
        with tir.serial(0, self.points) as point:
            for_parts(
                Split(part.count, self.tile.tiles),
                lambda t, size: self.multiply(p.weights, squares, products, part, (point, t, size)),
            )
        with tir.serial(0, part.blocks) as b, tir.serial(0, part.count) as t:
            self.transform_output(p, products, (b, t), part.block + b, part.tile + t)

    def multiply(
        self,
        all_weights: Any,
        squares: _Squares,
        products: _Squares,
        part: _Part,
        where: tuple[Any, Any, int],
    ) -> None:
        """Compute one point as a 1x1 convolution; `where` = (point, first tile, tiles)."""
        blocks = part.blocks
        point, first, size = where
        dot, channels = self.spec.dot, self.spec.source.channels
        origin = part.block * self.block_stride + point * (channels * LANES)
        accs = zeros(size * blocks)
        # Register tiles of one point fetch the next point's weights, so many blocks each.
        share = -(-blocks // -(-part.count // self.tile.tiles))
        ahead = first // self.tile.tiles * (share * self.block_stride) + channels * LANES

        def reduce(c: Any, steps: int) -> None:
            with tir.serial(0, steps) as k:
                step = c * LANES + k
                here = origin + step * LANES
                for b in range(share if self.tile.prefetch else 0):
                    prefetch(all_weights, here + ahead + b * self.block_stride)
                weights = [
                    dot.load_weights(all_weights, here + b * self.block_stride)
                    for b in range(blocks)
                ]
                for i in range(size):
                    place = squares.offset(point, c, first + i) + k
                    element = dot.load_input(squares.buffer, place)
                    for b in range(blocks):
                        dot.accumulate(accs[b * size + i], element, weights[b])

        if channels // LANES:
            with tir.serial(0, channels // LANES) as c:
                reduce(c, LANES)
        if channels % LANES:
            reduce(tirx.const(channels // LANES, "int32"), channels % LANES)
        for number, acc in enumerate(accs):
            to = products.offset(point, number // size, first + number % size)
            tir.buffer_store(products.buffer, read(acc), [ramp(to)])

    def transform_output(
        self, p: Parameters, products: _Squares, slot: tuple[Any, Any], block: Any, tile: Any
    ) -> None:
        """Store one tile of 16 channels, and with the last one of a row the border beside it."""
        n, top, left = self.corner(tile)
        m, sink = self.tile.outputs, self.sink

        def load(i: int, j: int) -> Any:
            return products.buffer[ramp(products.offset(i * self.square + j, *slot))]

        def store(value: Any, place: Place, i: int, j: int) -> None:
            tests = [place[2] < sink.height] if i and sink.height % m else []
            tests += [place[3] < sink.width] if j and sink.width % m else []
            if not tests:
                finish(value, self.spec.stored, p, place)
                return
            with tir.If(tests[0] if len(tests) == 1 else tirx.all(*tests)), tir.Then():
                finish(value, self.spec.stored, p, place)

        for i, j, value in both_ways(output_transform, m, load):
            store(value, (n, block, top + i, left + j), i, j)
        if sink.halo != (0, 0, 0, 0):
            rows = tirx.min(m, sink.height - top)
            with tir.If(left + m >= sink.width), tir.Then(), tir.serial(0, rows) as i:
                fill_halo(p.sink, sink, (n, block, top + i), 1)
