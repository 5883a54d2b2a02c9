"""What the kernels of convolutions and pooling compute, and in which tiles."""

from dataclasses import dataclass

from mlperf_benchmark.tvm_compiler.kernels.dot import Dot
from mlperf_benchmark.tvm_compiler.kernels.emit import Stored
from mlperf_benchmark.tvm_compiler.storage import View

Size = tuple[int, int, int]
"""(blocks, rows, columns) of a tile."""


@dataclass(frozen=True)
class Window:
    """The kernel size, stride and dilation as (y, x), and the padding above and to the left."""

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

    With a `chunk` a task is a whole image: all its tiles go through so many blocks of input
    channels, whose weights stay in the nearest cache, then through the next ones. Sums wait in
    memory meanwhile. 0: a tile goes through all input channels at once, in registers.
    """

    rows: int
    columns: int
    blocks: int
    channels_first: bool
    prefetch: bool
    chunk: int


@dataclass(frozen=True)
class WindowSpec:
    """What kernels with a window read and store."""

    source: View
    stored: Stored
    window: Window


@dataclass(frozen=True)
class ConvolutionSpec(WindowSpec):
    dot: Dot


@dataclass(frozen=True)
class WinogradTile:
    """F(outputs x outputs, 3 x 3) on `tiles` times `blocks` of 16 channels in registers.

    A task transforms a `group` of tiles, multiplies, and transforms back, all in the second-level
    cache. If there is only one group, a first parallel loop transforms the input, and a task of the
    second loop is a group of output channels, so that only one thread reads their weights. With
    `prefetch`, the weights of the next point are fetched during the multiplications of the current
    one.
    """

    outputs: int
    tiles: int
    blocks: int
    group: int
    prefetch: bool

    @property
    def method(self) -> str:
        return f"Winograd F({self.outputs}x{self.outputs})"
