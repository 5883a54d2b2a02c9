"""Elementwise operators that were not merged into the operator before them."""

from dataclasses import dataclass
from typing import Any

from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.kernels.emit import (
    Parameters,
    Stored,
    build,
    finish,
    parallel_rows,
)
from mlperf_benchmark.tvm_compiler.kernels.vectors import ramp
from mlperf_benchmark.tvm_compiler.storage import View


@dataclass(frozen=True)
class ElementwiseSpec:
    source: View
    stored: Stored


def elementwise(spec: ElementwiseSpec) -> Any:
    """Run only the epilogue."""
    source, sink = spec.source, spec.stored.sink

    def body(p: Parameters) -> None:
        def row(n: Any, block: Any, y: Any) -> None:
            with tir.serial(0, sink.width) as x:
                pixel = p.source[ramp(source.offset(n, block, y, x))]
                finish(pixel, spec.stored, p, (n, block, y, x))

        parallel_rows(p.sink, sink, row)

    return build((source.size, source.dtype), None, spec.stored, body)
