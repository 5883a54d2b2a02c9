"""Grouped convolutions: each group of output channels sees its own input channels.

An output block is computed as by a full convolution over the few input blocks in which its groups
lie; weights between channels of different groups are zeros.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import tirx

from mlperf_benchmark.tvm_compiler.kernels.convolution import ConvolutionKernel
from mlperf_benchmark.tvm_compiler.kernels.specs import ConvolutionSpec, Tile
from mlperf_benchmark.tvm_compiler.storage import LANES
from mlperf_benchmark.tvm_compiler.tiling import candidate_tiles


@dataclass(frozen=True)
class Bands:
    """The input blocks that an output block reads: `count`, starting at `first(block)`.

    `inputs` and `outputs` are the numbers of channels per group.
    """

    inputs: int
    outputs: int
    groups: int

    @property
    def blocks(self) -> int:
        return -(-self.inputs * self.groups // LANES)

    @property
    def count(self) -> int:
        channels = self.outputs * self.groups
        needed = 1
        for first in range(0, channels, LANES):
            last = min(first + LANES, channels) - 1
            end = (last // self.outputs + 1) * self.inputs
            needed = max(needed, -(-end // LANES) - self._begin(first // LANES))
        return needed

    def first(self, block: int) -> int:
        return min(self._begin(block), self.blocks - self.count)

    def first_of(self, block: Any) -> Any:
        """Return `first` of a block number that is only known at run time."""
        begin = tirx.floordiv(tirx.floordiv(block * LANES, self.outputs) * self.inputs, LANES)
        return tirx.min(begin, self.blocks - self.count)

    @property
    def same(self) -> int:
        """How many consecutive output blocks, starting at multiples of this number, read the same
        input.
        """
        return self.outputs // LANES if self.outputs % LANES == 0 else 1

    def banded(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Return weights (O, I / groups, KH, KW) among zeros, (O, channels of a band, KH, KW)."""
        outputs, inputs, *kernel = weights.shape
        banded = np.zeros((outputs, self.count * LANES, *kernel), weights.dtype)
        for channel in range(outputs):
            group = channel // self.outputs
            first = group * inputs - self.first(channel // LANES) * LANES
            banded[channel, first : first + inputs] = weights[channel]
        return banded

    def _begin(self, block: int) -> int:
        return block * LANES // self.outputs * self.inputs // LANES


class GroupedKernel(ConvolutionKernel):
    """Writes the TIR of one grouped convolution; `spec` is that of the whole of it.

    It packs weights that are `Bands.banded`.
    """

    def __init__(self, spec: ConvolutionSpec, bands: Bands) -> None:
        super().__init__(spec, _tile(spec, bands))
        self.bands = bands
        self.full_blocks, self.rest_steps = bands.count, 0
        self.output_stride = bands.count * self.full_steps * self.taps * self.step

    def input_block(self, block: Any, c: Any) -> Any:
        return self.bands.first_of(block) + c


def _tile(spec: ConvolutionSpec, bands: Bands) -> Tile:
    """Return the tile of a full convolution of the size of one band."""
    source = replace(spec.source, channels=bands.count * LANES)
    sink = replace(spec.stored.sink, channels=bands.same * LANES)
    band = replace(spec, source=source, stored=replace(spec.stored, sink=sink))
    tiles = (tile for tile in candidate_tiles(band, 1) if bands.same % tile.blocks == 0)
    return replace(next(tiles), channels_first=True, prefetch=False, chunk=0)
