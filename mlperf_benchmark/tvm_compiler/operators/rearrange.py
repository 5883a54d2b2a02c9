"""Copies tensors into another arrangement, for transpositions or cuts of more than channels."""

from dataclasses import dataclass, replace
from typing import Any

from tvm import tirx
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.arrangement import CHANNELS, Arranged, extent
from mlperf_benchmark.tvm_compiler.graph import Custom, Node
from mlperf_benchmark.tvm_compiler.kernels.emit import parallel_rows, tir_function
from mlperf_benchmark.tvm_compiler.kernels.loops import Split, parallel
from mlperf_benchmark.tvm_compiler.kernels.vectors import ramp, splat
from mlperf_benchmark.tvm_compiler.module_writer import TirFunction, shape_name
from mlperf_benchmark.tvm_compiler.node_lowering import NodeLowering
from mlperf_benchmark.tvm_compiler.storage import LANES, View


@dataclass(frozen=True)
class Rearrange(Custom):
    """Copies the first tensor of each pair to the place of the second one in the output.

    All are float32. Dimensions of extent 1 are repeated. Together the targets cover the output.
    """

    pairs: tuple[tuple[Arranged, Arranged], ...]

    takes_steps = False


@dataclass(frozen=True)
class RearrangeSpec:
    """`pairs` without names of values; `sources` has a view for each pair."""

    sources: tuple[View, ...]
    pairs: tuple[tuple[Arranged, Arranged], ...]
    sink: View


Coordinates = list[Any]
"""n, c, y, x."""


def rearrange(spec: RearrangeSpec) -> Any:
    sink = spec.sink
    with tir_function() as builder:
        sources = [
            tir.arg(f"source{i}", tir.buffer((view.size,), "float32"))
            for i, view in enumerate(spec.sources)
        ]
        target = tir.arg("sink", tir.buffer((sink.size,), "float32"))

        def clear_last_block(n: Any, _: Any, y: Any) -> None:
            if sink.channels % LANES:
                with tir.serial(0, sink.width) as x:
                    offset = sink.offset(n, sink.blocks - 1, y, x)
                    tir.buffer_store(target, splat(0.0), [ramp(offset)])

        parallel_rows(target, sink, clear_last_block)
        for buffer, view, pair in zip(sources, spec.sources, spec.pairs, strict=True):
            _copy((buffer, view), (target, sink), pair)
    return builder.get()


def _copy(
    source: tuple[Any, View], sink: tuple[Any, View], pair: tuple[Arranged, Arranged]
) -> None:
    """Copy in one parallel loop over all dimensions but the last; 16 channels at once if they are
    consecutive in both tensors.
    """
    shape = pair[1].shape
    width = [1] * len(shape)
    if _in_blocks(pair):
        width[_channel_dim(pair[1])] = LANES
    lanes = max(width)

    def element(indices: list[Any]) -> None:
        scaled = [index * size for index, size in zip(indices, width, strict=True)]
        to = _offset(sink[1], _coordinates(pair[1], scaled))
        at = _offset(source[1], _coordinates(pair[0], scaled))
        if lanes == 1:
            tir.buffer_store(sink[0], source[0][at], [to])
        else:
            tir.buffer_store(sink[0], source[0][ramp(at)], [ramp(to)])

    steps = [-(-count // size) for count, size in zip(shape, width, strict=True)]

    def task(first: list[Any], _: list[int]) -> None:
        with tir.serial(0, steps[-1]) as last:
            element([*first, last])

    parallel([Split(count, 1) for count in steps[:-1]], task)


def _channel_dim(arranged: Arranged) -> int:
    """Return the dimension whose last factor runs over consecutive channels, or -1."""
    for number, dim in enumerate(arranged.dims):
        if dim and dim[-1].axis == CHANNELS and dim[-1].stride == 1:
            return number
    return -1


def _in_blocks(pair: tuple[Arranged, Arranged]) -> bool:
    """Whether the same dimension of both runs over consecutive channels from the start of a block
    on; an incomplete last block must end the target.
    """
    source, target = pair
    dim = _channel_dim(target)
    if dim < 0 or dim != _channel_dim(source) or source.dims[dim] != target.dims[dim]:
        return False
    whole = len(target.dims[dim]) == 1
    return whole and all(_begins_block(tensor, dim) for tensor in pair)


def _begins_block(arranged: Arranged, dim: int) -> bool:
    """Whether `dim` begins with a block for all positions of the other dimensions."""
    others = (f for number, d in enumerate(arranged.dims) if number != dim for f in d)
    aligned = all(factor.axis != CHANNELS or factor.stride % LANES == 0 for factor in others)
    return aligned and arranged.start[CHANNELS] % LANES == 0


def _coordinates(arranged: Arranged, indices: list[Any]) -> Coordinates:
    result: Coordinates = [tirx.const(start, "int32") for start in arranged.start]
    for dim, index in zip(arranged.dims, indices, strict=True):
        inner = extent(dim)
        for factor in dim:
            inner //= factor.extent
            digit = index // inner
            if factor is not dim[0]:
                digit = digit % factor.extent
            result[factor.axis] = result[factor.axis] + digit * factor.stride
    return result


def _offset(view: View, coordinates: Coordinates) -> Any:
    n, c, y, x = coordinates
    return view.offset(n, c // view.block, y, x) + c % view.block


def lower(lowering: NodeLowering, node: Node, operator: Rearrange) -> None:
    writer = lowering.writer
    sink = writer.view(node.output)
    nameless = tuple(
        (_padded(replace(source, value=""), target), target) for source, target in operator.pairs
    )
    spec = RearrangeSpec(tuple(writer.view(name) for name in node.inputs), nameless, sink)
    function = TirFunction(f"rearrange_{shape_name(sink)}", spec, lambda: rearrange(spec))
    writer.store(node.output, function, [writer.blocked(name) for name in node.inputs])


def _padded(source: Arranged, target: Arranged) -> Arranged:
    """Return the source with as many dimensions as the target."""
    missing = len(target.dims) - len(source.dims)
    return replace(source, dims=((),) * missing + source.dims)
