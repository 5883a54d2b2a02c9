"""Predicts the cycles of a Winograd convolution and the best tile."""

from dataclasses import dataclass

from mlperf_benchmark.tvm_compiler.kernels.specs import ConvolutionSpec, WinogradTile
from mlperf_benchmark.tvm_compiler.kernels.winograd import TileGrid, suits_winograd
from mlperf_benchmark.tvm_compiler.storage import LANES
from mlperf_benchmark.tvm_compiler.tiling import (
    Machine,
    cache,
    fits_registers,
    parts,
    step_cycles,
)
from mlperf_benchmark.tvm_compiler.winograd_weights import points

_OUTPUTS = (2, 4)
_BLOCKS = (1, 2, 3, 4, 6)
_GROUPS = range(4, 65)
"""Tiles of a task: enough that weights are used while they are near, as few as the cache holds."""

_TRANSFORM = {2: 30, 4: 100}
"""Cycles to transform one tile of 16 channels, in one direction, with 512-bit registers."""

_FAR_SPEED = 7
"""Bytes a cycle that come from beyond the second-level cache."""

_PREFETCHED = 1 << 20
"""Bytes of weights that are worth being fetched ahead: those that no second-level cache holds."""


@dataclass(frozen=True)
class Expected:
    cycles: float
    tile: WinogradTile


def expected_winograd(spec: ConvolutionSpec, machine: Machine) -> list[Expected]:
    """Return the best tile of each group size, fastest first; empty if the kernel cannot compute
    `spec`.

    Cycles are those of the whole batch.
    """
    if not suits_winograd(spec):
        return []
    found = []
    for outputs in _OUTPUTS:
        total = TileGrid.of(spec, outputs).total
        for group in sorted({total, *(g for g in _GROUPS if g < total)}):
            tiles = _tiles(spec, outputs, group)
            choices = [Expected(_cycles(spec, tile, machine), tile) for tile in tiles]
            found += [min(choices, key=lambda choice: choice.cycles)] if choices else []
    return sorted(found, key=lambda choice: choice.cycles)


def weight_bytes(spec: ConvolutionSpec, outputs: int) -> int:
    return spec.stored.sink.blocks * LANES * spec.source.channels * points(outputs) * 4


def _tiles(spec: ConvolutionSpec, outputs: int, group: int) -> list[WinogradTile]:
    """Return tiles for each number of output blocks that divide the group evenly."""
    prefetch = weight_bytes(spec, outputs) > _PREFETCHED
    found = []
    for blocks in _BLOCKS:
        fitting = [
            size for size in range(1, group + 1) if fits_registers(spec.dot.registers, size, blocks)
        ]
        if blocks > spec.stored.sink.blocks or not fitting:
            continue
        size = -(-group // -(-group // fitting[-1]))
        tile = WinogradTile(outputs, size, blocks, group, prefetch)
        at_once = group == TileGrid.of(spec, outputs).total
        if at_once or _near_bytes(spec, tile) <= cache(spec).size * 5 / 2:
            found.append(tile)
    return found


def _near_bytes(spec: ConvolutionSpec, tile: WinogradTile) -> int:
    """Return the bytes of the transformed inputs and products of one task."""
    vectors = (spec.source.blocks + tile.blocks) * tile.group
    return points(tile.outputs) * vectors * LANES * 4


def _cycles(spec: ConvolutionSpec, tile: WinogradTile, machine: Machine) -> float:
    sink, inputs = spec.stored.sink, spec.source.blocks
    total = TileGrid.of(spec, tile.outputs).total
    weights = weight_bytes(spec, tile.outputs)
    transform = _TRANSFORM[tile.outputs] * spec.dot.registers.sums

    def multiply(blocks: int) -> float:
        steps = spec.source.channels * points(tile.outputs)
        return steps * sum(
            times * step_cycles(spec.dot.registers, size, blocks)
            for size, times in parts(tile.group, tile.tiles)
        )

    if tile.group < total:
        multiplied = sum(
            times * multiply(blocks) for blocks, times in parts(sink.blocks, tile.blocks)
        )
        if weights + _near_bytes(spec, tile) > 2 * cache(spec).size:
            multiplied = max(multiplied, weights / _FAR_SPEED)
        task = multiplied + (inputs + sink.blocks) * tile.group * transform
        arithmetic = machine.makespan(-(-total // tile.group)) * task
    else:
        multiplied = multiply(tile.blocks)
        near = points(tile.outputs) * inputs * total * LANES * 4
        if near > cache(spec).size:
            multiplied = max(multiplied, near / _FAR_SPEED)
        task = multiplied + tile.blocks * total * transform
        arithmetic = machine.makespan(-(-sink.blocks // tile.blocks)) * task
        arithmetic += machine.makespan(inputs * total) * transform
    return machine.beside_memory(arithmetic, weights, -(-tile.group // tile.tiles))
