"""Reads Relax, as imported from ONNX, into the operator graph."""

from collections.abc import Mapping
from typing import Any

from mlperf_benchmark.tvm_compiler.graph import Graph
from mlperf_benchmark.tvm_compiler.relax_operators import OPERATORS
from mlperf_benchmark.tvm_compiler.relax_quantizers import QUANTIZERS
from mlperf_benchmark.tvm_compiler.relax_walk import Reader


def read_relax(module: Any, origins: Mapping[str, str]) -> Graph:
    """The graph of `main`, whose variables `origins` names operators of the model for.

    Raises ModelError for what cannot be expressed in it.
    """
    return Reader(module, {**OPERATORS, **QUANTIZERS}, origins).read()
