"""Reads Relax, as imported from ONNX, into the operator graph."""

from collections.abc import Mapping
from typing import Any

from mlperf_benchmark.tvm_compiler.graph import Graph
from mlperf_benchmark.tvm_compiler.relax_attention import ATTENTION
from mlperf_benchmark.tvm_compiler.relax_elementwise import ELEMENTWISE
from mlperf_benchmark.tvm_compiler.relax_operators import OPERATORS
from mlperf_benchmark.tvm_compiler.relax_quantizers import QUANTIZERS
from mlperf_benchmark.tvm_compiler.relax_shapes import SHAPES
from mlperf_benchmark.tvm_compiler.relax_walk import Reader


def read_relax(module: Any, origins: Mapping[str, str], channels_last: bool = False) -> Graph:
    """Read `main`, whose input is (N, C, H, W) or, with `channels_last`, (N, H, W, C).

    `origins` maps its variables to operators of the model. Raises ModelError for what the graph
    cannot express.
    """
    handlers = {**OPERATORS, **ELEMENTWISE, **SHAPES, **ATTENTION, **QUANTIZERS}
    return Reader(module, handlers, origins).read(channels_last)
