"""Counts the arithmetic of operators and the bytes that they move."""

import math
from dataclasses import dataclass

import numpy as np

from mlperf_benchmark.tvm_compiler.graph import Convolution, Custom, Fallback, Node, Value

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Work:
    """The multiply-accumulates and the bytes read and written by operators of one name."""

    macs: int = 0
    bytes: int = 0


def multiply_accumulates(node: Node, values: dict[str, Value]) -> int:
    """Multiply-accumulate operations of one node, for its whole batch."""
    if isinstance(node.operator, Convolution):
        n, _, *pixels = values[node.output].shape
        return n * int(np.prod(pixels)) * int(node.operator.weights.data.size)
    if isinstance(node.operator, Fallback):
        return _fallback_macs(node, values[node.output].shape)
    if isinstance(node.operator, Custom):
        return node.operator.multiply_accumulates(tuple(values[name].shape for name in node.inputs))
    return 0


def _fallback_macs(node: Node, output_shape: tuple[int, ...]) -> int:
    assert isinstance(node.operator, Fallback)
    name = node.operator.name
    if node.operator.function is not None or not ("conv" in name or name == "matmul"):
        return 0
    weight_shape = [int(extent) for extent in node.operator.call.args[1].ty.shape]
    per_output = weight_shape[-2] if name == "matmul" else int(np.prod(weight_shape[1:]))
    return int(np.prod(output_shape)) * per_output


def bytes_moved(node: Node, values: dict[str, Value]) -> int:
    """Bytes that one node reads and writes for its whole batch, each tensor counted once."""
    total = sum(bytes_of(values[name], node) for name in {*node.reads(), node.output})
    if isinstance(node.operator, Convolution):
        total += node.operator.weights.data.nbytes
    return total


def bytes_of(value: Value, node: Node) -> int:
    """Bytes of a tensor that `node` reads or writes; for what is left to TVM it is float32."""
    is_float = value.quantization is None or isinstance(node.operator, Fallback)
    return math.prod(value.shape) * (FLOAT_BYTES if is_float else 1)
