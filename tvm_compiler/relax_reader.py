"""Reads Relax, as imported from ONNX, into the operator graph."""

from typing import Any

from tvm_compiler.graph import Graph
from tvm_compiler.relax_operators import OPERATORS
from tvm_compiler.relax_quantizers import QUANTIZERS
from tvm_compiler.relax_walk import Reader


def read_relax(module: Any) -> Graph:
    """The graph of `main`. Raises ModelError for what cannot be expressed in it."""
    return Reader(module, {**OPERATORS, **QUANTIZERS}).read()
