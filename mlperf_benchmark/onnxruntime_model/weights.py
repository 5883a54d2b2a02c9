"""The weights of an ONNX model: what they are stored in, and whether they are numbers."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from mlperf_benchmark.core.errors import ModelError

LAYERS = frozenset(
    {
        *("Conv", "ConvTranspose", "Gemm", "MatMul"),
        *("BatchNormalization", "InstanceNormalization", "LayerNormalization"),
    }
)
# What may stand between weights as they are stored and the layer that takes them.
PASSING = frozenset(
    {
        *("Cast", "DequantizeLinear", "Identity", "QuantizeLinear"),
        *("Reshape", "Squeeze", "Transpose", "Unsqueeze"),
    }
)
FLOATS = frozenset(
    {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
)
NAMES = {
    TensorProto.FLOAT: "f32",
    TensorProto.FLOAT16: "f16",
    TensorProto.BFLOAT16: "bf16",
    TensorProto.DOUBLE: "f64",
    TensorProto.INT8: "int8",
    TensorProto.UINT8: "int8",
    TensorProto.INT4: "int4",
    TensorProto.UINT4: "int4",
    TensorProto.INT32: "i32",
    TensorProto.INT64: "i64",
    TensorProto.BOOL: "boolean",
    TensorProto.STRING: "string",
}


def stored_precision(model: onnx.ModelProto) -> str:
    """The type of most of the model's constants, by number of elements: "f32", "f16", "int8", …"""
    counts: Counter[str] = Counter()
    for _, tensor in _constants(model.graph):
        kind = NAMES.get(tensor.data_type, TensorProto.DataType.Name(tensor.data_type).lower())
        counts[kind] += int(np.prod(tensor.dims))
    return counts.most_common(1)[0][0] if counts else "f32"


def refuse_non_finite(model: onnx.ModelProto) -> None:
    """Raise ModelError naming a weight that is NaN or infinite, which a ReLU may hide.

    Infinite constants that are no weights have their uses, in masks and bounds.
    """
    users: defaultdict[str, list[Any]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            users[name].append(node)
    for name, tensor in _constants(model.graph):
        if tensor.data_type not in FLOATS:
            continue
        values: NDArray[Any] = numpy_helper.to_array(tensor).astype(np.float32, copy=False)
        if np.isfinite(values).all():
            continue
        has_nan = bool(np.isnan(values).any())
        if has_nan or any(node.op_type in LAYERS for node in _takers(name, users)):
            kind = "NaN" if has_nan else "infinite"
            raise ModelError(
                f"The model's weights {name} hold {kind} values: a training that diverged, or a "
                "damaged file. No figure of it would mean anything; export an earlier checkpoint."
            )


def _constants(graph: Any) -> Iterator[tuple[str, Any]]:
    yield from ((tensor.name, tensor) for tensor in graph.initializer)
    for node in graph.node:
        if node.op_type == "Constant":
            yield from (
                (node.output[0], attribute.t)
                for attribute in node.attribute
                if attribute.name == "value"
            )


def _takers(name: str, users: dict[str, list[Any]]) -> Iterator[Any]:
    """Who takes the tensor, as it is or in another form."""
    for node in users.get(name, ()):
        yield node
        if node.op_type in PASSING:
            yield from _takers(node.output[0], users)
