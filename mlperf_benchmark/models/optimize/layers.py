"""The layers of a graph that can be computed in INT8, by the names that users see."""

from typing import Any

import openvino as ov

from mlperf_benchmark.core.registry import known_name

LAYERS = frozenset({"Convolution", "GroupConvolution", "MatMul"})
OPERATORS = frozenset({"Conv", "Gemm", "MatMul"})
FOLDED = "/WithoutBiases"
"""What OpenVINO's converter appends to the name of a convolution whose bias it splits off."""


def layer_name(node: ov.Node) -> str:
    """Return the name of an OpenVINO node in the ONNX graph that it was made from."""
    return str(node.friendly_name).removesuffix(FOLDED)


def layers_by_name(graph: Any) -> dict[str, str]:
    """Map the ONNX names of the convolutions and linear layers of an ov.Model or onnx.ModelProto,
    in their order, to the graph's own names.
    """
    if isinstance(graph, ov.Model):
        nodes = [node for node in graph.get_ordered_ops() if node.get_type_name() in LAYERS]
        return {layer_name(node): node.friendly_name for node in nodes}
    return {node.name: node.name for node in graph.graph.node if node.op_type in OPERATORS}


def weighted_layers(model: Any) -> list[str]:
    """Return the names of the convolutions and linear layers of an onnx.ModelProto in order.

    Products of two computed values, as in attention, have no weights and are left out.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in OPERATORS and constants.intersection(node.input)
    ]


def has_attention(graph: Any) -> bool:
    """Whether an ov.Model or onnx.ModelProto weights values by a softmax, as transformers do."""
    if isinstance(graph, ov.Model):
        weights = [node for node in graph.get_ops() if node.get_type_name() == "Softmax"]
        readers = [
            port.get_node() for node in weights for port in node.output(0).get_target_inputs()
        ]
        return any(reader.get_type_name() == "MatMul" for reader in readers)
    given = {node.output[0] for node in graph.graph.node if node.op_type == "Softmax"}
    return any(
        node.op_type == "MatMul" and given.intersection(node.input) for node in graph.graph.node
    )


def find_layers(graph: Any, names: tuple[str, ...]) -> list[str]:
    """Return the graph's own names of the layers `names`.

    Raises UnknownNameError with the most similar names.
    """
    known = layers_by_name(graph)
    return [known[known_name("layer", name, known)] for name in names]
