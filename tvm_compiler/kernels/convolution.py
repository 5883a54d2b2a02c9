"""Convolutions over all input channels, of any kernel size; classifiers are 1x1 convolutions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import tirx
from tvm.tirx.script import builder as tir

from tvm_compiler.kernels.dot import Dot
from tvm_compiler.kernels.emit import (
    Parameters,
    Place,
    Split,
    Stored,
    accumulators,
    build,
    fill_halo,
    finish,
    for_parts,
    parallel,
    prefetch,
    read,
    splat,
    write,
)
from tvm_compiler.storage import LANES, View


@dataclass(frozen=True)
class Window:
    """Kernel size, stride, dilation as (y, x) and the padding above and to the left."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """What one pass over the input channels computes: `rows` x `columns` pixels of `blocks`
    blocks of 16 output channels, all held in registers.

    Tasks are ordered with output channels outermost (`channels_first`: weights stay in the
    cache) or rows outermost (the input stays). With `prefetch` the first tiles of a group of
    output channels fetch the weights of the next group, one block each.
    """

    rows: int
    columns: int
    blocks: int
    channels_first: bool
    prefetch: bool


@dataclass(frozen=True)
class ConvolutionSpec:
    source: View
    stored: Stored
    window: Window
    dot: Dot


def packed_weights(weights: NDArray[Any], block: int, dot: Dot) -> NDArray[Any]:
    """(O, I, KH, KW) to flat [O / 16][I / block][KH][KW][block / group][16][group].

    Output channels are padded to 16 and input channels to `dot.group` with zeros; the last
    block of input channels is as short as it can be.
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

    def function(self) -> Any:
        return build(
            (self.spec.source.size, self.spec.source.dtype),
            (self.sink.blocks * self.output_stride, self.dot.weights),
            self.spec.stored,
            self.body,
        )

    def body(self, p: Parameters) -> None:
        channels = Split(self.sink.blocks, self.tile.blocks)
        images = Split(self.sink.batch, 1)
        rows = Split(self.sink.height, self.tile.rows)
        columns = Split(self.sink.width, self.tile.columns)

        def task(n: Any, block: Any, y: Any, blocks: int, row_count: int) -> None:
            for_parts(
                columns,
                lambda x, count: self.emit_tile(p, (n, block, y, x), (blocks, row_count, count)),
            )
            for b in range(blocks):
                fill_halo(p.sink, self.sink, (n, block + b, y), row_count)

        if self.tile.channels_first:
            parallel(
                [channels, images, rows],
                lambda first, size: task(first[1], first[0], first[2], size[0], size[2]),
            )
        else:
            parallel(
                [images, rows, channels],
                lambda first, size: task(first[0], first[2], first[1], size[2], size[1]),
            )

    def emit_tile(self, p: Parameters, place: Place, size: tuple[int, int, int]) -> None:
        """One tile of `size` (blocks, rows, columns)."""
        accs = accumulators(int(np.prod(size)), self.dot.accumulator)
        for acc in accs:
            write(acc, splat(0, self.dot.accumulator))
        if self.full_blocks:
            with tir.serial(0, self.full_blocks) as c:
                self.emit_reduction(p, _Registers(accs, place, size), c, self.full_steps)
        if self.rest_steps:
            last = tirx.const(self.full_blocks, "int32")
            self.emit_reduction(p, _Registers(accs, place, size), last, self.rest_steps)
        n, block, y, x = place
        for (b, i, j), acc in zip(np.ndindex(size), accs, strict=True):
            finish(read(acc), self.spec.stored, p, (n, block + b, y + i, x + j))

    def emit_reduction(self, p: Parameters, tile: "_Registers", c: Any, steps: int) -> None:
        """Accumulate block `c` of the input channels, `steps` groups of them."""
        window, source, dot = self.spec.window, self.spec.source, self.dot
        n, block, y, x = tile.place
        blocks, rows, columns = tile.size
        height, width = window.kernel
        with tir.serial(0, height) as r, tir.serial(0, width) as s, tir.serial(0, steps) as k:
            origin = source.offset(
                n,
                c,
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
            loaded = [
                dot.load_weights(p.weights, weight + b * self.output_stride) for b in range(blocks)
            ]
            for i, j in np.ndindex(rows, columns):
                offset = i * window.stride[0] * source.row_stride
                offset += j * window.stride[1] * source.block
                element = dot.load_input(p.source, origin + k * dot.group + offset)
                for b in range(blocks):
                    dot.accumulate(tile.accs[(b * rows + i) * columns + j], element, loaded[b])

    def distance_to_next(self, n: Any, y: Any) -> Any:
        """From the weights of this tile to those that it shall fetch for the next group.

        Without it all of a group's weights would come from memory during its first tile, which
        then waits, and nothing during the others. Tiles that have nothing to fetch touch what
        they read.
        """
        number = n * (-(-self.sink.height // self.tile.rows)) + y // self.tile.rows
        ahead = (self.tile.blocks + number) * self.output_stride
        return tirx.Select(number < self.tile.blocks, ahead, tirx.const(0, "int32"))


@dataclass(frozen=True)
class _Registers:
    """The accumulators of a tile of `size` (blocks, rows, columns) at `place`."""

    accs: list[Any]
    place: Place
    size: tuple[int, int, int]
