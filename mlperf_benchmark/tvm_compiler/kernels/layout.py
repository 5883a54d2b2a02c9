"""Converts between plain layouts and channel blocks: the image, the result, TVM's own operators."""

from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.graph import Quantization
from mlperf_benchmark.tvm_compiler.kernels.emit import fill_halo, parallel_rows, tir_function
from mlperf_benchmark.tvm_compiler.kernels.loops import Split, parallel
from mlperf_benchmark.tvm_compiler.storage import View


@dataclass(frozen=True)
class ImageSpec:
    """Turns uint8 NHWC pixels into scale * pixel + offset, per channel, in `sink`.

    A uint8 sink gets the quantized values. Channels of the sink past those of the image become
    zero.
    """

    sink: View
    quantization: Quantization | None


def image(spec: ImageSpec) -> Any:
    """Convert one row per task. Scale and offset are parameters, so that they are chosen at run
    time.
    """
    sink = spec.sink
    with tir_function() as builder:
        shape = (sink.batch, sink.height, sink.width, sink.channels)
        # The alignment of callers' arrays is arbitrary.
        source = tir.arg("source", tir.buffer(shape, "uint8", align=1))
        scale = tir.arg("scale", tir.buffer((sink.channels,), "float32"))
        offset = tir.arg("offset", tir.buffer((sink.channels,), "float32"))
        target = tir.arg("sink", tir.buffer((sink.size,), sink.dtype))

        def value_at(n: Any, y: Any, x: Any, c: int) -> Any:
            if c >= sink.channels:
                return tirx.const(0, sink.dtype)
            value = source[n, y, x, c].astype("float32") * scale[c] + offset[c]
            if spec.quantization is None:
                return value
            value = value * _float(1 / spec.quantization.scales[0])
            value = tirx.nearbyint(value + _float(spec.quantization.zero_point))
            value = tirx.min(tirx.max(value, _float(0)), _float(255))
            return value.astype("int32").astype("uint8")

        def task(first: list[Any], _: list[int]) -> None:
            n, y = first
            with tir.serial(0, sink.width) as x:
                for c in range(sink.blocks * sink.block):
                    place = sink.offset(n, c // sink.block, y, x) + c % sink.block
                    tir.buffer_store(target, value_at(n, y, x, c), [place])
            for block in range(sink.blocks):
                fill_halo(target, sink, (n, block, y), 1)

        parallel([Split(sink.batch, 1), Split(sink.height, 1)], task)
    return builder.get()


def to_plain(source: View) -> Any:
    """Convert float32 channel blocks to NCHW."""
    with tir_function() as builder:
        blocked = tir.arg("source", tir.buffer((source.size,), "float32"))
        shape = (source.batch, source.channels, source.height, source.width)
        plain = tir.arg("sink", tir.buffer(shape, "float32"))
        with tir.parallel(0, source.batch * source.channels) as plane:
            n, c = plane // source.channels, plane % source.channels
            with tir.serial(0, source.height) as y, tir.serial(0, source.width) as x:
                place = source.offset(n, c // source.block, y, x) + c % source.block
                tir.buffer_store(plain, blocked[place], [n, c, y, x])
    return builder.get()


def from_plain(sink: View) -> Any:
    """Convert float32 NCHW to float32 channel blocks; channels past the last become zero."""
    with tir_function() as builder:
        shape = (sink.batch, sink.channels, sink.height, sink.width)
        plain = tir.arg("source", tir.buffer(shape, "float32"))
        target = tir.arg("sink", tir.buffer((sink.size,), "float32"))

        def row(n: Any, block: Any, y: Any) -> None:
            with tir.serial(0, sink.width) as x, tir.serial(0, sink.block) as lane:
                c = block * sink.block + lane
                value = tirx.if_then_else(c < sink.channels, plain[n, c, y, x], _float(0))
                tir.buffer_store(target, value, [sink.offset(n, block, y, x) + lane])

        parallel_rows(target, sink, row)
    return builder.get()


def _float(value: float) -> Any:
    return tirx.const(float(value), "float32")
