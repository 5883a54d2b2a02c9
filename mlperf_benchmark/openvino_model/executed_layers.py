"""What OpenVINO made of a model: the layers of its runtime graph, and where they come from."""

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import openvino as ov

from mlperf_benchmark.core.layer_profile import (
    CONVERSION,
    CONVOLUTION,
    DEPTHWISE,
    ELEMENTWISE,
    LINEAR,
    OTHER,
    POOLING,
    Layer,
)
from mlperf_benchmark.models.optimize.layers import layer_name
from mlperf_benchmark.openvino_model.precision import (
    COMPUTING_LAYERS,
    INTEGER,
    kernel_precision,
)

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "Convolution": CONVOLUTION,
        "Deconvolution": CONVOLUTION,
        "FullyConnected": LINEAR,
        "MatMul": LINEAR,
        "Gemm": LINEAR,
        "Pooling": POOLING,
        "AdaptivePooling": POOLING,
        "Reduce": POOLING,
        "Eltwise": ELEMENTWISE,
        "FakeQuantize": ELEMENTWISE,
        "Math": ELEMENTWISE,
        "Softmax": ELEMENTWISE,
        "Subgraph": ELEMENTWISE,
        "Convert": CONVERSION,
        "Reorder": CONVERSION,
        "Transpose": CONVERSION,
    }
)
CONVOLUTIONS = frozenset({"Convolution", "GroupConvolution"})
# Operators of the file that compute nothing of the model themselves.
SILENT = frozenset({"Constant", "Convert", "FakeQuantize", "Parameter", "Result", "Reshape"})
BYTES = MappingProxyType({"int8": 1, "int4": 0.5, "bf16": 2, "f16": 2})


def executed_layers(runtime: ov.Model, model: ov.Model, operators: Collection[str]) -> list[Layer]:
    """The layers of the runtime graph of the compiled `model`, in their order. `operators` are the
    names in the model's file, which `model` begins before with the normalisation.
    """
    sources = {
        node.friendly_name: node
        for node in model.get_ordered_ops()
        if node.friendly_name in operators
    }
    return [
        _layer(node, info, sources)
        for node in runtime.get_ordered_ops()
        if (info := _info(node)).get("layerType") not in (None, "Const", "Input", "Output")
    ]


def _info(node: ov.Node) -> dict[str, str]:
    return {str(name): str(value.astype(str)) for name, value in node.get_rt_info().items()}


def _layer(node: ov.Node, info: Mapping[str, str], sources: Mapping[str, ov.Node]) -> Layer:
    named = [
        sources[name] for name in info.get("originalLayersNames", "").split(",") if name in sources
    ]
    computing = [source for source in named if _weights(source) is not None]
    if not computing and info["layerType"] in COMPUTING_LAYERS:
        # Named after what it was followed by alone, such as the scale and the bias of an ONNX
        # Gemm, which ends in the model's output.
        computing = [found for source in named if (found := _before(source)) is not None]
    others = [one for one in named if one not in computing and one.get_type_name() not in SILENT]
    kind = KINDS.get(info["layerType"], OTHER)
    if any(_is_depthwise(source) for source in computing):
        kind = DEPTHWISE
    precision = kernel_precision(info)
    precision = INTEGER.get(precision, precision)
    elements = sum(math.prod(weights) for one in computing if (weights := _weights(one)))
    inputs, outputs = _channels(computing[0]) if computing else (0, 0)
    return Layer(
        name=str(node.friendly_name),
        kind=kind,
        origins=tuple(dict.fromkeys(layer_name(one) for one in (*computing, *others))),
        kernel=info.get("primitiveType", "unknown"),
        precision=precision,
        macs=sum(map(_macs, computing)),
        input_bytes=sum(_bytes(value.get_source_output()) for value in node.inputs()),
        weight_bytes=int(elements * BYTES.get(precision, 4)),
        output_bytes=sum(map(_bytes, node.outputs())),
        input_channels=inputs,
        output_channels=outputs,
    )


def _before(node: ov.Node) -> ov.Node | None:
    """The operator with weights that `node` follows; None where the path to it parts, as it does
    before a sum or a product of two feature maps.
    """
    while True:
        inputs = [value.get_node() for value in node.input_values()]
        inputs = [one for one in inputs if not _is_constant(one)]
        if len(inputs) != 1:
            return None
        (node,) = inputs
        if _weights(node) is not None:
            return node


def _bytes(output: Any) -> int:
    node = output.get_node()
    if _info(node).get("layerType") == "Const":
        return 0
    return int(math.prod(output.get_shape()) * output.get_element_type().size)


def _weights(node: ov.Node) -> tuple[int, ...] | None:
    """The shape of the weights; None for what has none."""
    kind = node.get_type_name()
    if kind in CONVOLUTIONS or (kind == "MatMul" and _is_constant(node.input_value(1).get_node())):
        return tuple(node.input_value(1).get_shape())
    return None


def _is_constant(node: ov.Node) -> bool:
    """Whether these are weights, also where they are stored in another type or quantized: whether
    nothing that they are made of is an input of the model.
    """
    found, left = set(), [node]
    while left:
        one = left.pop()
        if one.get_type_name() == "Parameter":
            return False
        if one.get_name() not in found:
            found.add(one.get_name())
            left += [value.get_node() for value in one.input_values()]
    return True


def _is_depthwise(node: ov.Node) -> bool:
    # Weights of groups are (groups, O / groups, I / groups, …).
    return bool(
        node.get_type_name() == "GroupConvolution" and node.input_value(1).get_shape()[2] == 1
    )


def _macs(node: ov.Node) -> int:
    weights, outputs = _weights(node), math.prod(node.get_output_shape(0))
    assert weights is not None
    if node.get_type_name() == "MatMul":
        return int(outputs * weights[-1 if node.get_attributes()["transpose_b"] else -2])
    return int(
        outputs * math.prod(weights[2 if node.get_type_name() == "GroupConvolution" else 1 :])
    )


def _channels(node: ov.Node) -> tuple[int, int]:
    axis = 1 if node.get_type_name() in CONVOLUTIONS else -1
    return int(node.get_input_shape(0)[axis]), int(node.get_output_shape(0)[axis])
