"""Measures the size of an ONNX model for one image."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.models.files.description import Size
from mlperf_benchmark.models.files.foreign_onnx import ForeignModel

FATAL = 4
LAYERS = frozenset({"Conv", "Gemm", "MatMul"})
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)


@dataclass(frozen=True)
class Measured:
    """The size of a model, and `answer`, the shape of its output for one batch."""

    size: Size
    answer: tuple[int, ...]


def measure(foreign: ForeignModel) -> Measured:
    """Run the model once on black images and count multiply-accumulates and parameters.

    As for torch modules, multiply-accumulates are those of convolutions and of linear layers with
    constant weights. Raises ModelError if ONNX Runtime cannot run the model.
    """
    model = onnx.ModelProto()
    model.CopyFrom(foreign.model)
    weights = _constants(model.graph)
    layers = [
        node
        for node in model.graph.node
        if node.op_type in LAYERS and weights.keys() & set(node.input[:2])
    ]
    names = [node.output[0] for node in layers]
    answer = model.graph.output[0].name
    own = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in {*names} - own)
    [*shapes, answered] = _run(model, foreign, [*names, answer])
    batch = foreign.batch or 1
    macs = sum(
        math.prod(shape) // batch * _inputs(node, weights)
        for node, shape in zip(layers, shapes, strict=True)
    )
    parameters = sum(
        math.prod(tensor.dims) for tensor in model.graph.initializer if tensor.data_type in FLOATS
    )
    return Measured(Size(gmacs=macs / 1e9, parameters=parameters), answered)


def _run(model: onnx.ModelProto, foreign: ForeignModel, names: list[str]) -> list[tuple[int, ...]]:
    """Run the model and return the shapes of the values `names`."""
    value = model.graph.input[0]
    height, width = foreign.size
    sizes = {"N": foreign.batch or 1, "C": 3, "H": height, "W": width}
    kind = helper.tensor_dtype_to_np_dtype(foreign.element)
    images = np.zeros([sizes[axis] for axis in foreign.layout], kind)
    options = ort.SessionOptions()
    options.log_severity_level = FATAL
    # Fused layers would not expose their outputs.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return [one.shape for one in session.run(names, {value.name: images})]
    except Exception as error:
        raise ModelError(f"ONNX Runtime cannot run the model: {first_line(error)}") from error


def _constants(graph: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of constants, and of values that a few simple operators make of
    constants.
    """
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            shapes[node.output[0]] = numpy_helper.to_array(node.attribute[0].t).shape
        elif node.op_type in ("Identity", "Cast", "DequantizeLinear") and node.input[0] in shapes:
            shapes[node.output[0]] = shapes[node.input[0]]
        elif node.op_type == "Transpose" and node.input[0] in shapes:
            old = shapes[node.input[0]]
            order = next((one.ints for one in node.attribute if one.name == "perm"), None)
            shapes[node.output[0]] = tuple(old[axis] for axis in order or range(len(old))[::-1])
    return shapes


def _inputs(node: Any, weights: dict[str, tuple[int, ...]]) -> int:
    """Return the number of products that are added up in one output value."""
    left, right = node.input[0], node.input[1]
    if node.op_type == "Conv":
        return math.prod(weights[right][1:]) if right in weights else 0
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    if right in weights:
        shape = weights[right]
        return shape[-1] if attributes.get("transB") or len(shape) == 1 else shape[-2]
    return weights[left][0] if attributes.get("transA") else weights[left][-1]
