"""Concatenations, splits and shuffles of channels: every output channel is some input channel."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tvm import tirx
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.arrangement import CHANNELS, Arranged, natural
from mlperf_benchmark.tvm_compiler.epilogue import Scaling
from mlperf_benchmark.tvm_compiler.graph import Custom, Node, Quantization
from mlperf_benchmark.tvm_compiler.kernels.emit import (
    Parameters,
    Stored,
    build,
    finish,
    parallel_rows,
)
from mlperf_benchmark.tvm_compiler.kernels.vectors import ramp, splat, to_float
from mlperf_benchmark.tvm_compiler.module_writer import TirFunction, shape_name
from mlperf_benchmark.tvm_compiler.node_lowering import NodeLowering
from mlperf_benchmark.tvm_compiler.storage import LANES, View


@dataclass(frozen=True)
class Join(Custom):
    """`channels` has a pair (index of the input, its channel) for each channel of the output.

    Inputs have the same N, H and W, and are float32 or have one scale for all their channels.
    """

    channels: tuple[tuple[int, int], ...]


def picked_channels(
    tensor: Arranged, shape: tuple[int, int, int, int], dim: int
) -> tuple[tuple[int, int], ...] | None:
    """Return the channels of a value of `shape` that dimension `dim` of a tensor selects, in the
    form of a join of this value; None if the tensor is more than a selection of channels.
    """
    count = tensor.shape[dim]
    natural_shape, dims = natural(tensor.shape, dim)
    same = all(dims[d] == tensor.dims[d] for d in range(len(dims)) if d != dim)
    same &= all(factor.axis == CHANNELS for factor in tensor.dims[dim])
    n, _, h, w = shape
    if not same or natural_shape != (n, count, h, w):
        return None
    return tuple((0, int(place)) for place in tensor.positions(CHANNELS, dim))


@dataclass(frozen=True)
class JoinSpec:
    sources: tuple[View, ...]
    quantizations: tuple[Quantization | None, ...]
    channels: tuple[tuple[int, int], ...]
    stored: Stored


@dataclass(frozen=True)
class _Pattern:
    """The sources of the 16 channels of an output block: for each vector read, its input and its
    block relative to the output's; and which of all their elements are used.
    """

    vectors: tuple[tuple[int, int], ...]
    elements: tuple[int, ...]


def patterns(channels: tuple[tuple[int, int], ...]) -> list[_Pattern]:
    """Return one pattern per output block; after the last channel, the block's first one is
    repeated.
    """
    found = []
    for first in range(0, len(channels), LANES):
        part = channels[first : first + LANES]
        part += part[:1] * (LANES - len(part))
        block = first // LANES
        places = [((source, c // LANES - block), c % LANES) for source, c in part]
        vectors = tuple(dict.fromkeys(place for place, _ in places))
        elements = tuple(vectors.index(place) * LANES + lane for place, lane in places)
        found.append(_Pattern(vectors, elements))
    return found


def join(spec: JoinSpec) -> Any:
    """Blocks equal to an input's are copied whole."""
    sink = spec.stored.sink

    def load(p: Parameters, pattern: _Pattern, place: tuple[Any, Any, Any, Any]) -> Any:
        n, block, y, x = place
        vectors = []
        for source, distance in pattern.vectors:
            buffer = (p.source, *p.more)[source]
            offset = spec.sources[source].offset(n, block + distance, y, x)
            vectors.append(_real(buffer[ramp(offset)], spec.quantizations[source]))
        if pattern.elements == tuple(range(LANES)):
            return vectors[0]
        return tirx.Shuffle(vectors, [tirx.const(e, "int32") for e in pattern.elements])

    def body(p: Parameters) -> None:
        runs = [
            (pattern, [block for block, _ in run])
            for pattern, run in groupby(enumerate(patterns(spec.channels)), lambda item: item[1])
        ]

        def of_pattern(pattern: _Pattern, place: tuple[Any, Any, Any]) -> None:
            n, block, y = place
            with tir.serial(0, sink.width) as x:
                finish(load(p, pattern, (n, block, y, x)), spec.stored, p, (n, block, y, x))

        def row(n: Any, block: Any, y: Any) -> None:
            for pattern, blocks in runs:
                if len(runs) == 1:
                    of_pattern(pattern, (n, block, y))
                    continue
                inside = tirx.all(block >= blocks[0], block <= blocks[-1])
                with tir.If(inside), tir.Then():
                    of_pattern(pattern, (n, block, y))

        parallel_rows(p.sink, sink, row)

    first, *others = [(view.size, view.dtype) for view in spec.sources]
    return build(first, None, spec.stored, body, others)


def _real(vector: Any, quantization: Quantization | None) -> Any:
    if quantization is None:
        return vector
    shifted = to_float(vector) - splat(float(quantization.zero_point))
    return shifted * splat(quantization.scales[0])


def lower(lowering: NodeLowering, node: Node, operator: Join) -> None:
    writer = lowering.writer
    stored, extra = lowering.stored(node, Scaling.none())
    names = list(dict.fromkeys(node.inputs))
    channels = tuple((names.index(node.inputs[i]), c) for i, c in operator.channels)
    spec = JoinSpec(
        tuple(writer.view(name) for name in names),
        tuple(lowering.value(name).quantization for name in names),
        channels,
        stored,
    )
    function = TirFunction(f"join_{shape_name(stored.sink)}", spec, lambda: join(spec))
    sources = [writer.blocked(name) for name in names]
    writer.store(node.output, function, [sources[0], *extra, *sources[1:]])
