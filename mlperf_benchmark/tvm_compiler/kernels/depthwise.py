"""Depthwise convolutions: every channel with its own small kernel, 16 channels at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.kernels.emit import (
    Parameters,
    Place,
    build,
    finish_row,
    parallel_rows,
)
from mlperf_benchmark.tvm_compiler.kernels.loops import Split, for_parts
from mlperf_benchmark.tvm_compiler.kernels.specs import WindowSpec
from mlperf_benchmark.tvm_compiler.kernels.vectors import ramp, read, to_float, write, zeros
from mlperf_benchmark.tvm_compiler.storage import LANES


def packed_depthwise_weights(weights: NDArray[Any]) -> NDArray[np.float32]:
    """Pack (C, 1, KH, KW) into flat float32 [C / 16][KH][KW][16]."""
    channels, _, height, width = weights.shape
    padded = np.zeros((-(-channels // LANES) * LANES, height, width), np.float32)
    padded[:channels] = weights[:, 0]
    return np.ascontiguousarray(
        padded.reshape(-1, LANES, height, width).transpose(0, 2, 3, 1).reshape(-1)
    )


class DepthwiseKernel:
    """Computes `columns` pixels of a row at a time.

    int8 is computed in float32, which is exact: a product has 15 bits, and sums of up to 500 of
    them fit the 24 bits of the significand.
    """

    def __init__(self, spec: WindowSpec, columns: int) -> None:
        self.spec = spec
        self.columns = columns
        self.sink = spec.stored.sink
        self.taps = spec.window.kernel[0] * spec.window.kernel[1]

    def function(self) -> Any:
        weights = (self.sink.blocks * self.taps * LANES, "float32")
        source = (self.spec.source.size, self.spec.source.dtype)
        return build(source, weights, self.spec.stored, self.body)

    def body(self, p: Parameters) -> None:
        columns = Split(self.sink.width, self.columns)

        def row(n: Any, block: Any, y: Any) -> None:
            for_parts(columns, lambda x, count: self.emit_tile(p, (n, block, y, x), count))

        parallel_rows(p.sink, self.sink, row)

    def emit_tile(self, p: Parameters, place: Place, columns: int) -> None:
        window, source = self.spec.window, self.spec.source
        n, block, y, x = place
        height, width = window.kernel
        accs = zeros(columns)
        with tir.serial(0, height) as r:
            for s in range(width):
                weight = p.weights[ramp(block * self.taps * LANES + (r * width + s) * LANES)]
                for j, acc in enumerate(accs):
                    offset = source.offset(
                        n,
                        block,
                        y * window.stride[0] - window.padding[0] + r * window.dilation[0],
                        x * window.stride[1] - window.padding[1] + s * window.dilation[1],
                    )
                    offset = offset + j * window.stride[1] * LANES
                    write(acc, read(acc) + to_float(p.source[ramp(offset)]) * weight)
        finish_row([read(acc) for acc in accs], self.spec.stored, p, place)
