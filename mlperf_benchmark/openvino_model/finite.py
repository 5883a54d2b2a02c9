"""Weights that are not numbers. A ReLU makes a zero of NaN, so that the scores need not show it."""

from collections.abc import Iterator

import numpy as np
from openvino import Model, Node, Type

from mlperf_benchmark.core.errors import ModelError

LAYERS = frozenset(
    {
        *("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"),
        *("BatchNormInference", "MVN"),
    }
)
ELEMENTWISE = frozenset({"Add", "Subtract", "Multiply", "Divide"})
# What may stand between weights as they are stored and the layer that takes them.
PASSING = frozenset(
    {"Convert", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Broadcast", "FakeQuantize"}
)
FLOATS = (Type.f16, Type.bf16, Type.f32, Type.f64)


def refuse_non_finite(model: Model) -> None:
    """Raise ModelError naming the layer of a weight that is NaN or infinite.

    Infinite constants that are no weights have their uses, in masks and bounds.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() not in FLOATS:
            continue
        # numpy has no bfloat16.
        is_bf16 = node.get_element_type() == Type.bf16
        values = node.get_data(dtype=np.float32) if is_bf16 else node.data
        if np.isfinite(values).all():
            continue
        layer = next(_layers(node), None)
        has_nan = bool(np.isnan(values).any())
        if has_nan or layer is not None:
            kind = "NaN" if has_nan else "infinite"
            where = f" of layer {layer.get_friendly_name()}" if layer is not None else ""
            raise ModelError(
                f"The model's weights {node.get_friendly_name()}{where} hold {kind} values: a "
                "training that diverged, or a damaged file. No figure of it would mean anything; "
                "export an earlier checkpoint."
            )


def saturated_weights(model: Model) -> list[str]:
    """Names of FP16 weights at the limit of that type.

    `openvino.save_model` writes NaN and whatever is larger so.
    """
    return [
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant"
        and node.get_element_type() == Type.f16
        and bool((np.abs(node.data) == np.finfo(np.float16).max).any())
        and next(_layers(node), None) is not None
    ]


def _layers(node: Node) -> Iterator[Node]:
    """The layers whose weights, bias or scale `node` is."""
    for output in node.outputs():
        for target in output.get_target_inputs():
            user = target.get_node()
            kind = user.get_type_name()
            if kind in LAYERS:
                yield user
            elif kind in PASSING or (kind in ELEMENTWISE and _is_constant(user)):
                yield from _layers(user)
            elif kind in ELEMENTWISE:
                yield from (source for source in _sources(user) if _has_weights(source))


def _sources(node: Node) -> list[Node]:
    return [value.get_node() for value in node.input_values()]


def _has_weights(node: Node) -> bool:
    """False for the products of two activations, as in attention, whose masks are infinite."""
    kind = node.get_type_name()
    return kind in LAYERS and (kind == "MVN" or any(map(_is_constant, _sources(node))))


def _is_constant(node: Node) -> bool:
    kind = node.get_type_name()
    if kind in PASSING or kind in ELEMENTWISE:
        return all(map(_is_constant, _sources(node)))
    return bool(kind == "Constant")
