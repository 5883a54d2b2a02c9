"""Elementwise operators that were not merged into the operator before them."""

from dataclasses import dataclass
from typing import Any

from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.kernels.emit import (
    Parameters,
    Split,
    Stored,
    build,
    fill_halo,
    finish,
    parallel,
    ramp,
)
from mlperf_benchmark.tvm_compiler.storage import View


@dataclass(frozen=True)
class ElementwiseSpec:
    source: View
    stored: Stored


def elementwise(spec: ElementwiseSpec) -> Any:
    """Run only the epilogue, on one row of one channel block per task."""
    source, sink = spec.source, spec.stored.sink

    def body(p: Parameters) -> None:
        def task(first: list[Any], _: list[int]) -> None:
            n, block, y = first
            with tir.serial(0, sink.width) as x:
                pixel = p.source[ramp(source.offset(n, block, y, x))]
                finish(pixel, spec.stored, p, (n, block, y, x))
            fill_halo(p.sink, sink, (n, block, y), 1)

        parallel([Split(sink.batch, 1), Split(sink.blocks, 1), Split(sink.height, 1)], task)

    return build((source.size, source.dtype), None, spec.stored, body)
