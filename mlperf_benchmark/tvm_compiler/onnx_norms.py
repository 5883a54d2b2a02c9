"""Replaces layer normalisation that was exported as separate operators by the ONNX operator."""

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

_FIRST_OPSET = 13
"""From here to `_NORM_OPSET` no operator changed so that a model would mean something else."""

_NORM_OPSET = 17


def merge_layer_norms(model: Any) -> None:
    """Replace (x - mean) / sqrt(variance + epsilon) * scale + shift, over the last dimension.

    The nodes that computed its parts remain; they are dead unless something else reads them.
    """
    opset = next((entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)
    if opset is None or opset.version < _FIRST_OPSET or opset.version > _NORM_OPSET:
        return
    finder = _Finder(model)
    for node in model.graph.node:
        norm = finder.norm_that_ends_with(node)
        if norm is not None:
            opset.version = _NORM_OPSET
            node.CopyFrom(norm)


class _Finder:
    def __init__(self, model: Any) -> None:
        self._made = {name: node for node in model.graph.node for name in node.output}
        tensors = {t.name: t for t in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant":
                tensors.update((node.output[0], a.t) for a in node.attribute if a.name == "value")
        self._constants = {name: numpy_helper.to_array(t) for name, t in tensors.items()}
        self._ranks = {
            value.name: len(value.type.tensor_type.shape.dim)
            for value in onnx.shape_inference.infer_shapes(model).graph.value_info
        }

    def norm_that_ends_with(self, node: Any) -> Any | None:
        """Return the operator that replaces the addition `node` of the shift, or None for other
        nodes.
        """
        scaled, shift = self._with_constant(node, "Add")
        normal, scale = self._with_constant(self._maker(scaled, "Mul"), "Mul")
        division = self._maker(normal, "Div")
        if division is None or scale is None or shift is None:
            return None
        if self._constants[scale].ndim != 1 or self._constants[shift].ndim != 1:
            return None
        root = self._maker(division.input[1], "Sqrt")
        summed = None if root is None else self._maker(root.input[0], "Add")
        variance, epsilon = self._with_constant(summed, "Add")
        source = self._centred(self._square_of(self._mean_of(variance)))
        if source is None or source != self._centred(division.input[0]) or epsilon is None:
            return None
        return onnx.helper.make_node(
            "LayerNormalization",
            [source, scale, shift],
            list(node.output),
            name=node.name,
            axis=-1,
            epsilon=float(self._constants[epsilon].reshape(())),
        )

    def _maker(self, name: str | None, kind: str) -> Any | None:
        node = self._made.get(name or "")
        return node if node is not None and node.op_type == kind else None

    def _with_constant(self, node: Any | None, kind: str) -> tuple[str | None, str | None]:
        """Return the other input of a node of two inputs, and the constant one."""
        if node is None or node.op_type != kind:
            return None, None
        for name, other in (node.input, reversed(node.input)):
            if other in self._constants and name not in self._constants:
                return name, other
        return None, None

    def _mean_of(self, name: str | None) -> str | None:
        """Return the value whose mean over the last, kept dimension is `name`, or None."""
        node = self._maker(name, "ReduceMean")
        if node is None:
            return None
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        rank = self._ranks.get(node.input[0], 0)
        last = attributes.get("axes") in ([-1], [rank - 1])
        return str(node.input[0]) if last and attributes.get("keepdims", 1) else None

    def _square_of(self, name: str | None) -> str | None:
        power = self._maker(name, "Pow")
        if power is None:
            return None
        source, exponent = self._with_constant(power, "Pow")
        squares = exponent is not None and np.all(self._constants[exponent] == 2)
        return source if squares and source == power.input[0] else None

    def _centred(self, name: str | None) -> str | None:
        """Return x if `name` is x - mean(x), otherwise None."""
        node = self._maker(name, "Sub")
        if node is None or self._mean_of(node.input[1]) != node.input[0]:
            return None
        return str(node.input[0])
