"""What ONNX Runtime made of a model, read from the graph that it optimized."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from mlperf_benchmark.core.precisions import summarized
from mlperf_benchmark.models.files.int8_weights import are_clipped

INTEGER_LAYERS = {
    "ConvInteger": 1,
    "DynamicQuantizeMatMul": 1,
    "MatMulInteger": 1,
    "MatMulIntegerToFloat": 1,
    "QGemm": 3,
    "QLinearConv": 3,
    "QLinearMatMul": 3,
}
"""Operators that multiply bytes, and which of their inputs is the weights.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

FLOAT_LAYERS = frozenset(
    {
        *("Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv"),
        *("FusedGemm", "FusedMatMul", "Gemm", "MatMul"),
    }
)
NAMES: dict[int | None, str] = {
    TensorProto.FLOAT: "f32",
    TensorProto.FLOAT16: "f16",
    TensorProto.BFLOAT16: "bf16",
    TensorProto.DOUBLE: "f64",
}


@dataclass(frozen=True)
class Executed:
    """`precision` as in `BackendInfo`; `clipped`: 16 bits do not hold sums of its products."""

    precision: str
    clipped: bool


def read_executed(optimized: Path) -> Executed:
    """What is in the graph that ONNX Runtime wrote to the file `optimized`."""
    model = onnx.load(optimized)
    kinds = _tensor_kinds(model.graph)
    counts: Counter[str] = Counter()
    for node in model.graph.node:
        if node.op_type in INTEGER_LAYERS:
            counts["int8"] += 1
        elif node.op_type in FLOAT_LAYERS:
            counts[NAMES.get(kinds.get(node.input[1]), "unknown")] += 1
    return Executed(summarized(counts), any(map(are_clipped, _byte_weights(model.graph))))


def _tensor_kinds(graph: Any) -> dict[str, int]:
    """The element types of tensors, as far as they follow from weights, inputs and casts."""
    kinds = {value.name: value.type.tensor_type.elem_type for value in graph.input}
    kinds |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Cast":
            kind = next(attribute.i for attribute in node.attribute if attribute.name == "to")
        else:
            # What is dequantized has the type of its scale.
            given = node.input[node.op_type == "DequantizeLinear" :]
            kind = next((kinds[name] for name in given if name in kinds), None)
        if kind is not None:
            kinds |= dict.fromkeys(node.output, kind)
    return kinds


def _byte_weights(graph: Any) -> Iterator[NDArray[np.int8]]:
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        place = INTEGER_LAYERS.get(node.op_type)
        tensor = constants.get(node.input[place]) if place is not None else None
        # Kernels for two unsigned factors do not clip.
        if tensor is not None and tensor.data_type == TensorProto.INT8:
            yield numpy_helper.to_array(tensor)
