"""Max pooling, average pooling and global average pooling."""

from typing import Any

import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.kernels.emit import (
    Parameters,
    build,
    fill_halo,
    finish,
    parallel_rows,
)
from mlperf_benchmark.tvm_compiler.kernels.loops import Split, parallel
from mlperf_benchmark.tvm_compiler.kernels.specs import WindowSpec
from mlperf_benchmark.tvm_compiler.kernels.vectors import ramp, read, splat, to_float, write, zeros
from mlperf_benchmark.tvm_compiler.storage import Halo


def max_pool(spec: WindowSpec) -> Any:
    """The halo of `spec.source` holds a number that is never larger than the pixels beside it."""
    source, sink, window = spec.source, spec.stored.sink, spec.window

    def body(p: Parameters) -> None:
        def row(n: Any, block: Any, y: Any) -> None:
            with tir.serial(0, sink.width) as x:
                best = None
                for r in range(window.kernel[0]):
                    for s in range(window.kernel[1]):
                        offset = source.offset(
                            n,
                            block,
                            y * window.stride[0] - window.padding[0] + r,
                            x * window.stride[1] - window.padding[1] + s,
                        )
                        pixel = p.source[ramp(offset)]
                        best = pixel if best is None else tirx.max(best, pixel)
                finish(best, spec.stored, p, (n, block, y, x))

        parallel_rows(p.sink, sink, row)

    return build((source.size, source.dtype), None, spec.stored, body)


def average_pool(spec: WindowSpec, counted: Halo | None, zero_point: int) -> Any:
    """Of the padding, `zero_point`s, so much counts as pixels as `counted` says, if any; zero
    points are taken off.
    """
    source, sink, window = spec.source, spec.stored.sink, spec.window
    top, left, bottom, right = counted or (0, 0, 0, 0)

    def count(first: Any, size: int, low: int, high: int) -> Any:
        """How many of `size` positions from `first` on are between `low` and `high`."""
        inside = tirx.min(first + size, high) - tirx.max(first, low)
        return inside.astype("float32")

    def body(p: Parameters) -> None:
        def row(n: Any, block: Any, y: Any) -> None:
            top_row = y * window.stride[0] - window.padding[0]
            rows = count(top_row, window.kernel[0], -top, source.height + bottom)
            with tir.serial(0, sink.width) as x:
                left_column = x * window.stride[1] - window.padding[1]
                columns = count(left_column, window.kernel[1], -left, source.width + right)
                total = None
                for r in range(window.kernel[0]):
                    for s in range(window.kernel[1]):
                        offset = source.offset(n, block, top_row + r, left_column + s)
                        pixel = to_float(p.source[ramp(offset)])
                        total = pixel if total is None else total + pixel
                share = tirx.const(1.0, "float32") / (rows * columns)
                if zero_point:
                    total = total - splat(float(zero_point * int(np.prod(window.kernel))))
                finish(total * splat(share), spec.stored, p, (n, block, y, x))

        parallel_rows(p.sink, sink, row)

    return build((source.size, source.dtype), None, spec.stored, body)


def global_sum(spec: WindowSpec) -> Any:
    """Sums over H and W, in int32 for uint8; the epilogue's scale makes it a mean."""
    source, sink = spec.source, spec.stored.sink
    dtype = "int32" if source.dtype == "uint8" else "float32"

    def body(p: Parameters) -> None:
        def task(first: list[Any], _: list[int]) -> None:
            n, block = first
            # Several sums at once: one would wait for the addition before it.
            sums = zeros(4, dtype)
            with tir.serial(0, source.height) as y:
                for x in range(source.width):
                    total = sums[x % 4]
                    pixel = p.source[ramp(source.offset(n, block, y, x))]
                    write(total, read(total) + pixel.astype(f"{dtype}x16"))
            total = (read(sums[0]) + read(sums[1])) + (read(sums[2]) + read(sums[3]))
            finish(total, spec.stored, p, (n, block, 0, 0))
            fill_halo(p.sink, sink, (n, block, 0), 1)

        parallel([Split(sink.batch, 1), Split(sink.blocks, 1)], task)

    return build((source.size, source.dtype), None, spec.stored, body)
