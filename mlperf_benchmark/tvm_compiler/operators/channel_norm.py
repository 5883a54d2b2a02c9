"""Layer normalisation over the channels of each pixel or token."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.epilogue import Scaling
from mlperf_benchmark.tvm_compiler.graph import Custom, Node
from mlperf_benchmark.tvm_compiler.kernels.emit import Parameters, Stored, build, fill_halo, finish
from mlperf_benchmark.tvm_compiler.kernels.loops import Split, parallel
from mlperf_benchmark.tvm_compiler.kernels.reduction import total
from mlperf_benchmark.tvm_compiler.kernels.vectors import ramp, read, splat, to_float, write, zeros
from mlperf_benchmark.tvm_compiler.module_writer import TirFunction, shape_name
from mlperf_benchmark.tvm_compiler.node_lowering import NodeLowering
from mlperf_benchmark.tvm_compiler.storage import LANES, View

_PIXELS = 8
"""At once: additions of one wait for each other."""


@dataclass(frozen=True)
class ChannelNorm(Custom):
    """(x - mean) / sqrt(variance + epsilon), both over the channels; steps follow."""

    epsilon: float


@dataclass(frozen=True)
class ChannelNormSpec:
    source: View
    stored: Stored
    epsilon: float


def channel_norm(spec: ChannelNormSpec) -> Any:
    """Compute a part of a row per task. Weights are 1 / C for each channel, 0 past the last one."""
    source, sink = spec.source, spec.stored.sink

    def body(p: Parameters) -> None:
        def task(first: list[Any], size: list[int]) -> None:
            n, y, x = first
            pixels(p, (n, y, x), size[2])
            last = x + size[2] == sink.width
            with tir.If(last), tir.Then(), tir.serial(0, sink.blocks) as block:
                fill_halo(p.sink, sink, (n, block, y), 1)

        rows = [Split(sink.batch, 1), Split(sink.height, 1)]
        parallel([*rows, Split(sink.width, _PIXELS)], task)

    def pixels(p: Parameters, place: tuple[Any, Any, Any], count: int) -> None:
        n, y, x = place

        def mean_of(value: Any) -> list[Any]:
            sums = zeros(count)
            with tir.serial(0, sink.blocks) as block:
                share = p.weights[ramp(block * LANES)]
                for number, one in enumerate(sums):
                    write(one, read(one) + value(block, number) * share)
            return [total(one) for one in sums]

        def load(block: Any, number: int) -> Any:
            return to_float(p.source[ramp(source.offset(n, block, y, x + number))])

        means = [_kept(mean) for mean in mean_of(load)]

        def square(block: Any, number: int) -> Any:
            away = load(block, number) - splat(means[number][0])
            return away * away

        epsilon = tirx.const(spec.epsilon, "float32")
        one = tirx.const(1.0, "float32")
        scales = [_kept(one / tirx.sqrt(v + epsilon)) for v in mean_of(square)]
        with tir.serial(0, sink.blocks) as block:
            for number in range(count):
                away = load(block, number) - splat(means[number][0])
                scaled = away * splat(scales[number][0])
                finish(scaled, spec.stored, p, (n, block, y, x + number))

    weights = (sink.blocks * LANES, "float32")
    return build((source.size, source.dtype), weights, spec.stored, body)


def _kept(scalar: Any) -> Any:
    """Return a buffer of one number, which is computed only once."""
    buffer = tir.alloc_buffer((1,), "float32", scope="global")
    tir.buffer_store(buffer, scalar, [0])
    return buffer


def lower(lowering: NodeLowering, node: Node, operator: ChannelNorm) -> None:
    writer = lowering.writer
    view = writer.view(node.inputs[0])
    stored, extra = lowering.stored(node, Scaling.none())
    spec = ChannelNormSpec(view, stored, operator.epsilon)
    shares = np.full(view.channels, 1 / view.channels, np.float32)
    arguments = [
        writer.blocked(node.inputs[0]),
        writer.channel_constant(shares, view),
        *extra,
    ]
    function = TirFunction(f"norm_{shape_name(view)}", spec, lambda: channel_norm(spec))
    writer.store(node.output, function, arguments)
