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
    """The graph of `main`, whose input is (N, C, H, W), or else (N, H, W, C); `origins` names
    operators of the model for its variables.

    Raises ModelError for what cannot be expressed in it.
    """
    handlers = {**OPERATORS, **ELEMENTWISE, **SHAPES, **ATTENTION, **QUANTIZERS}
    return Reader(module, handlers, origins).read(channels_last)
