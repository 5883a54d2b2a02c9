"""Convolutions over all input channels, of any kernel size; classifiers are 1x1 convolutions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import tirx
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.kernels.dot import Dot
from mlperf_benchmark.tvm_compiler.kernels.emit import (
    Parameters,
    Place,
    build,
    fill_halo,
    finish_row,
)
from mlperf_benchmark.tvm_compiler.kernels.loops import Split, for_parts, parallel_by_thread
from mlperf_benchmark.tvm_compiler.kernels.specs import ConvolutionSpec, Size, Tile
from mlperf_benchmark.tvm_compiler.kernels.vectors import (
    CACHE_LINE,
    FIRST_LEVEL,
    accumulators,
    prefetch,
    ramp,
    read,
    splat,
    write,
)
from mlperf_benchmark.tvm_compiler.storage import LANES


def packed_weights(weights: NDArray[Any], block: int, dot: Dot) -> NDArray[Any]:
    """Pack (O, I, KH, KW) into flat [O / 16][I / block][KH][KW][block / group][16][group].

    Output channels are padded to 16 and input channels to `dot.group` with zeros; the last block of
    input channels is as short as possible.
    """
    outputs, inputs, height, width = weights.shape
    groups = -(-inputs // dot.group)
    padded = np.zeros((-(-outputs // LANES) * LANES, groups * dot.group, height, width))
    padded[:outputs, :inputs] = weights
    full = inputs // block * block
    parts = []
    for first, last in ((0, full), (full, padded.shape[1])):
        if first == last:
            continue
        size = min(block, last - first)
        part = padded[:, first:last].reshape(
            -1, LANES, (last - first) // size, size // dot.group, dot.group, height, width
        )
        part = dot.pack(part.transpose(0, 2, 5, 6, 3, 1, 4))
        parts.append(part.reshape(part.shape[0], -1))
    return np.ascontiguousarray(np.concatenate(parts, axis=1).reshape(-1))


@dataclass(frozen=True)
class _Registers:
    """The accumulators of a tile of `size` at `place`."""

    accs: list[Any]
    place: Place
    size: Size


def pixels_of(place: Place, size: Size) -> Iterator[Place]:
    """Yield the places of the 16 channels of each accumulator of a tile."""
    n, block, y, x = place
    for b, i, j in np.ndindex(size):
        yield n, block + b, y + i, x + j


class ConvolutionKernel:
    """Writes the TIR of one convolution."""

    def __init__(self, spec: ConvolutionSpec, tile: Tile) -> None:
        self.spec = spec
        self.tile = tile
        self.dot = dot = spec.dot
        self.sink = spec.stored.sink
        kernel_height, kernel_width = spec.window.kernel
        block = spec.source.block
        self.full_blocks = spec.source.channels // block
        rest = spec.source.channels % block
        self.rest_steps = -(-rest // dot.group)
        self.full_steps = block // dot.group
        self.taps = kernel_height * kernel_width
        self.step = LANES * dot.group
        steps = self.full_blocks * self.full_steps + self.rest_steps
        self.output_stride = steps * self.taps * self.step

    def pack(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Pack (O, I, KH, KW) as the kernel reads it."""
        return packed_weights(weights, self.spec.source.block, self.dot)

    def function(self) -> Any:
        return build(
            (self.spec.source.size, self.spec.source.dtype),
            (self.sink.blocks * self.output_stride, self.dot.weights),
            self.spec.stored,
            self.body,
            by_thread=True,
        )

    def body(self, p: Parameters) -> None:
        channels = Split(self.sink.blocks, self.tile.blocks)
        images = Split(self.sink.batch, 1)
        rows = Split(self.sink.height, self.sink.height if self.tile.chunk else self.tile.rows)

        def task(n: Any, block: Any, y: Any, blocks: int, row_count: int) -> None:
            if self.tile.chunk:
                self.emit_image(p, (n, block), blocks)
            else:
                for_parts(
                    Split(self.sink.width, self.tile.columns),
                    lambda x, count: self.emit_tile(
                        p, (n, block, y, x), (blocks, row_count, count)
                    ),
                )
            for b in range(blocks):
                fill_halo(p.sink, self.sink, (n, block + b, y), row_count)

        if self.tile.channels_first:
            parallel_by_thread(
                p.threads,
                [channels, images, rows],
                lambda _, first, size: task(first[1], first[0], first[2], size[0], size[2]),
            )
        else:
            parallel_by_thread(
                p.threads,
                [images, rows, channels],
                lambda _, first, size: task(first[0], first[2], first[1], size[2], size[1]),
            )

    def emit_tile(self, p: Parameters, place: Place, size: Size) -> None:
        """Compute one tile of `size`, from all input channels to the output."""
        tile = self.registers(place, size)
        self.fetch_addends(p, place, size)
        for acc in tile.accs:
            write(acc, splat(0, self.dot.accumulator))
        self.emit_blocks(p, tile, tirx.const(0, "int32"), self.full_blocks)
        if self.rest_steps:
            self.emit_reduction(p, tile, tirx.const(self.full_blocks, "int32"), self.rest_steps)
        self.finish_tile(p, place, size, [read(acc) for acc in tile.accs])

    def finish_tile(self, p: Parameters, place: Place, size: Size, vectors: list[Any]) -> None:
        """Store the sums of a tile, which are in the order of `pixels_of`."""
        blocks, rows, columns = size
        for number, first in enumerate(pixels_of(place, (blocks, rows, 1))):
            row = vectors[number * columns : (number + 1) * columns]
            finish_row(row, self.spec.stored, p, first)

    def registers(self, place: Place, size: Size) -> _Registers:
        return _Registers(accumulators(int(np.prod(size)), self.dot.accumulator), place, size)

    def emit_image(self, p: Parameters, first: tuple[Any, Any], blocks: int) -> None:
        """Compute all tiles of `blocks` blocks of an image, `first` = (image, block), chunk by
        chunk.
        """
        n, block = first
        pixels = self.sink.height * self.sink.width
        sums = tir.alloc_buffer((blocks * pixels * LANES,), self.dot.accumulator, scope="global")

        def place_of_sum(place: Place) -> Any:
            _, b, y, x = place
            return ramp((((b - block) * self.sink.height + y) * self.sink.width + x) * LANES)

        def for_tiles(emit: Callable[[Place, Size], None]) -> None:
            columns = Split(self.sink.width, self.tile.columns)
            for_parts(
                Split(self.sink.height, self.tile.rows),
                lambda y, row_count: for_parts(
                    columns, lambda x, count: emit((n, block, y, x), (blocks, row_count, count))
                ),
            )

        def add(reduce: Callable[[_Registers], None]) -> None:
            def emit(place: Place, size: Size) -> None:
                tile = self.registers(place, size)
                for acc, target in zip(tile.accs, pixels_of(place, size), strict=True):
                    write(acc, sums[place_of_sum(target)])
                reduce(tile)
                for acc, target in zip(tile.accs, pixels_of(place, size), strict=True):
                    tir.buffer_store(sums, read(acc), [place_of_sum(target)])

            for_tiles(emit)

        def store(place: Place, size: Size) -> None:
            vectors = [sums[place_of_sum(target)] for target in pixels_of(place, size)]
            self.finish_tile(p, place, size, vectors)

        with tir.serial(0, blocks * pixels) as pixel:
            zero = splat(0, self.dot.accumulator)
            tir.buffer_store(sums, zero, [ramp(pixel * LANES)])
        for_parts(
            Split(self.full_blocks, self.tile.chunk),
            lambda c, count: add(lambda tile: self.emit_blocks(p, tile, c, count)),
        )
        if self.rest_steps:
            last = tirx.const(self.full_blocks, "int32")
            add(lambda tile: self.emit_reduction(p, tile, last, self.rest_steps))
        for_tiles(store)

    def emit_blocks(self, p: Parameters, tile: _Registers, first: Any, count: int) -> None:
        """Accumulate `count` whole blocks of the input channels from `first` on."""
        if count:
            with tir.serial(0, count) as c:
                self.emit_reduction(p, tile, first + c, self.full_steps)

    def emit_reduction(self, p: Parameters, tile: _Registers, c: Any, steps: int) -> None:
        """Accumulate block `c` of the input channels, `steps` groups of them."""
        window, source, dot = self.spec.window, self.spec.source, self.dot
        n, block, y, x = tile.place
        blocks, rows, columns = tile.size
        height, width = window.kernel
        with tir.serial(0, height) as r, tir.serial(0, width) as s, tir.serial(0, steps) as k:
            origin = source.offset(
                n,
                self.input_block(block, c),
                y * window.stride[0] - window.padding[0] + r * window.dilation[0],
                x * window.stride[1] - window.padding[1] + s * window.dilation[1],
            )
            weight = (
                block * self.output_stride
                + c * (self.full_steps * self.taps * self.step)
                + ((r * width + s) * steps + k) * self.step
            )
            if self.tile.prefetch:
                prefetch(p.weights, weight + self.distance_to_next(n, y))
            if self.taps == 1 and self.full_blocks > 1:
                self.fetch_next_block(p, c, origin, k, (rows, columns))
            loaded = [
                dot.load_weights(p.weights, weight + b * self.output_stride) for b in range(blocks)
            ]
            for i, j in np.ndindex(rows, columns):
                offset = i * window.stride[0] * source.row_stride
                offset += j * window.stride[1] * source.block
                element = dot.load_input(p.source, origin + k * dot.group + offset)
                for b in range(blocks):
                    dot.accumulate(tile.accs[(b * rows + i) * columns + j], element, loaded[b])

    def input_block(self, block: Any, c: Any) -> Any:
        """Block `c` of those that the output block `block` reads: here all of them."""
        return c

    def fetch_addends(self, p: Parameters, place: Place, size: Size) -> None:
        """Prefetch what the epilogue of a tile adds, unless it is the same for many tiles."""
        for buffer, view in zip(p.addends, self.spec.stored.addends, strict=True):
            if view.shape != self.sink.shape:
                continue
            line = max(1, CACHE_LINE // (view.block * np.dtype(view.dtype).itemsize))
            for n, block, y, x in pixels_of(place, (size[0], size[1], -(-size[2] // line))):
                at = view.offset(n, block, y, place[3] + (x - place[3]) * line)
                prefetch(buffer, at, FIRST_LEVEL)

    def fetch_next_block(
        self, p: Parameters, c: Any, origin: Any, k: Any, size: tuple[int, int]
    ) -> None:
        """Fetch, in step `k`, a share of a tile's pixels in the input channels after block `c`.

        Each pixel is read in the steps of one block only, and the next block's pixels are far away:
        without this, the processor would fetch them only when it needs them. The last block has
        nothing to fetch and touches what it reads.
        """
        source, stride = self.spec.source, self.spec.window.stride
        rows, columns = size
        across = stride[1] * source.block
        line = max(across, CACHE_LINE // np.dtype(source.dtype).itemsize)
        lines = -(-columns * across // line)
        share = -(-rows * lines // self.full_steps)
        ahead = tirx.Select(
            c + 1 < self.full_blocks + bool(self.rest_steps),
            tirx.const(source.block_stride, "int32"),
            tirx.const(0, "int32"),
        )
        for number in range(share):
            place = k * share + number
            offset = place // lines * (stride[0] * source.row_stride) + place % lines * line
            prefetch(p.source, origin + ahead + offset, FIRST_LEVEL)

    def distance_to_next(self, n: Any, y: Any) -> Any:
        """Return the distance from the weights of this tile to those that it fetches for the next
        group.

        Without it, all weights of a group would be read from memory during its first tile, which
        would then wait, and none during the others. Tiles that have nothing to fetch touch what
        they read.
        """
        number = n * (-(-self.sink.height // self.tile.rows)) + y // self.tile.rows
        ahead = (self.tile.blocks + number) * self.output_stride
        return tirx.Select(number < self.tile.blocks, ahead, tirx.const(0, "int32"))
