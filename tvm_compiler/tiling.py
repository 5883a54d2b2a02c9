"""Which tile a convolution gets when nothing was tuned: a rule from a simple machine model."""

from dataclasses import dataclass
from itertools import product

from tvm_compiler.kernels.convolution import ConvolutionSpec, Tile
from tvm_compiler.kernels.depthwise import DepthwiseSpec
from tvm_compiler.storage import LANES
from tvm_compiler.target import CpuTarget

_LATENCY = 4
"""Cycles from one multiply-add into a register to the next into the same one."""

_STEP_OVERHEAD = 0.5
"""Cycles a step of the innermost loop costs besides its arithmetic."""

_L2_BYTES = 512 * 1024
"""What of a core's second-level cache may be counted on: half of 1 MiB."""


@dataclass(frozen=True)
class _Machine:
    """Vector registers, registers per 16 lanes, and operations started per cycle."""

    registers: int
    width: int

    def fits(self, pixels: int, blocks: int) -> bool:
        """Accumulators, the weights of a step and one input element."""
        weights = blocks if self.width == 1 else 1
        return self.width * (pixels * blocks + weights) + 1 <= self.registers

    def cycles(self, pixels: int, blocks: int) -> float:
        """Of one step, at two multiply-adds and two loads a cycle."""
        multiplies = self.width * pixels * blocks / 2
        loads = (pixels + self.width * blocks) / 2
        return max(multiplies, loads, _LATENCY) + _STEP_OVERHEAD


def machine(target: CpuTarget) -> _Machine:
    return _Machine(32, 1) if target.avx512 else _Machine(16, 2)


def candidate_tiles(spec: ConvolutionSpec, target: CpuTarget) -> list[Tile]:
    """All tiles that fit the registers, those that the model expects most of first."""
    shapes = sorted(_shapes(spec, target), key=lambda shape: (_cost(spec, shape, target), shape))
    first = channels_first(spec)
    large = _weight_bytes(spec) > _L2_BYTES / 2
    return [
        Tile(*shape, channels_first=order, prefetch=order and large)
        for shape in shapes
        for order in (first, not first)
    ]


def default_tile(spec: ConvolutionSpec, target: CpuTarget) -> Tile:
    """The candidate with the fewest cycles per step over the whole output."""
    return candidate_tiles(spec, target)[0]


def _shapes(spec: ConvolutionSpec, target: CpuTarget) -> list[tuple[int, int, int]]:
    """(rows, columns, blocks) that fit the registers; several rows only of whole ones."""
    sink, limits = spec.stored.sink, machine(target)
    found = []
    for blocks, columns in product(range(1, sink.blocks + 1), range(1, sink.width + 1)):
        if not limits.fits(columns, blocks):
            continue
        rows = range(1, sink.height + 1) if columns == sink.width else (1,)
        found += [(r, columns, blocks) for r in rows if limits.fits(r * columns, blocks)]
    return found


def _cost(spec: ConvolutionSpec, shape: tuple[int, int, int], target: CpuTarget) -> float:
    """Cycles per step, over the whole output."""
    limits, sink = machine(target), spec.stored.sink
    total = 0.0
    for rows, row_times in _parts(sink.height, shape[0]):
        for columns, column_times in _parts(sink.width, shape[1]):
            for blocks, block_times in _parts(sink.blocks, shape[2]):
                times = row_times * column_times * block_times
                total += times * limits.cycles(rows * columns, blocks)
    return total


def channels_first(spec: ConvolutionSpec) -> bool:
    """Whether each group of output channels shall see the whole input before the next one.

    It shall unless the weights fit the cache and the input does not.
    """
    source_bytes = spec.source.image_stride * _element_bytes(spec)
    return not (_weight_bytes(spec) <= _L2_BYTES / 2 and source_bytes > _L2_BYTES)


def _weight_bytes(spec: ConvolutionSpec) -> int:
    taps = spec.window.kernel[0] * spec.window.kernel[1]
    outputs = spec.stored.sink.blocks * LANES
    return outputs * spec.source.channels * taps * _element_bytes(spec)


def _element_bytes(spec: ConvolutionSpec) -> int:
    return 1 if spec.source.dtype == "uint8" else 4


def depthwise_columns(spec: DepthwiseSpec, target: CpuTarget) -> int:
    """Pixels at once: as many as leave registers for the weights of a row, evenly cut."""
    width = spec.stored.sink.width
    room = (24 if target.avx512 else 6) - spec.window.kernel[1]
    passes = -(-width // max(room, 1))
    return -(-width // passes)


def _parts(extent: int, size: int) -> list[tuple[int, int]]:
    """(size, how often) of the parts that an extent is cut into."""
    whole = [(size, extent // size)] if extent // size else []
    return whole + ([(extent % size, 1)] if extent % size else [])
