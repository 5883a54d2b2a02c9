"""Rewrites a QDQ graph of NNCF so that ONNX Runtime computes every layer in integers.

NNCF stores what may be negative as int8 and all else as uint8, adds biases in float32, and leaves a
flatten between the last quantizer and the classifier. ONNX Runtime computes such layers in float32:
it wants one type before and after a layer, biases as int32, and the quantizer next to its reader.
The numbers stay what they were, but for the rounding of biases, by less than half a step of sums.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from mlperf_benchmark.tvm_compiler.onnx_folding import drop_unused_constants

SHIFT = 128
"""From int8 to uint8."""


def compute_in_integers(model: onnx.ModelProto) -> None:
    """Change `model` in place."""
    graph = _Graph(model)
    graph.store_unsigned()
    graph.flatten_integers()
    graph.store_biases()
    # Their types were those before.
    del model.graph.value_info[:]
    drop_unused_constants(model)


class _Graph:
    def __init__(self, model: onnx.ModelProto) -> None:
        self._nodes = model.graph.node
        self._constants = model.graph.initializer
        self._arrays = {one.name: numpy_helper.to_array(one) for one in self._constants}
        self._made_by = {name: node for node in self._nodes for name in node.output}

    def store_unsigned(self) -> None:
        """Shift int8 values and their zero points by 128; weights stay."""
        shifted = set()
        for node in self._nodes:
            zero_point = self._arrays.get(_input(node, 2))
            if zero_point is None or zero_point.dtype != np.int8:
                continue
            if node.op_type == "QuantizeLinear":
                shifted.update(node.output)
            elif node.op_type != "DequantizeLinear" or node.input[0] not in shifted:
                continue
            unsigned = (zero_point.astype(np.int32) + SHIFT).astype(np.uint8)
            node.input[2] = self._constant(f"{node.input[2]}_unsigned", unsigned)

    def flatten_integers(self) -> None:
        """Flatten before dequantizing instead of after it, where nobody else reads the two."""
        for flatten in [node for node in self._nodes if node.op_type == "Flatten"]:
            dequantize = self._made_by.get(flatten.input[0])
            if dequantize is None or dequantize.op_type != "DequantizeLinear":
                continue
            if self._readers(flatten.input[0]) != 1 or self._arrays[dequantize.input[1]].ndim:
                continue
            quantized, between, result = dequantize.input[0], flatten.input[0], flatten.output[0]
            flatten.input[0], flatten.output[0] = quantized, between
            dequantize.input[0], dequantize.output[0] = between, result
            # Nodes stand after what they read.
            self._nodes.remove(dequantize)
            place = next(i for i, node in enumerate(self._nodes) if node.output[0] == between)
            self._nodes.insert(place + 1, dequantize)
            self._made_by |= {between: self._nodes[place], result: self._nodes[place + 1]}

    def store_biases(self) -> None:
        """Store biases of linear layers as int32, in steps of their sums of products."""
        for layer in [node for node in self._nodes if node.op_type == "Gemm"]:
            bias = self._arrays.get(_input(layer, 2))
            scales = [self._scale(name) for name in layer.input[:2]]
            if bias is None or bias.dtype != np.float32 or scales[0] is None or scales[1] is None:
                continue
            step = np.asarray(scales[0] * scales[1], np.float32)
            name = layer.input[2]
            integers = np.rint(bias / step).astype(np.int32)
            inputs = [
                self._constant(f"{name}_int32", integers),
                self._constant(f"{name}_step", step),
                self._constant(f"{name}_zero", np.zeros(step.shape, np.int32)),
            ]
            result = f"{name}_dequantized"
            node = helper.make_node("DequantizeLinear", inputs, [result], result, axis=0)
            self._nodes.insert(0, node)
            layer.input[2] = result

    def _scale(self, name: str) -> NDArray[np.float32] | None:
        """The step of what a DequantizeLinear wrote as `name`."""
        node = self._made_by.get(name)
        if node is None or node.op_type != "DequantizeLinear":
            return None
        return self._arrays.get(node.input[1])

    def _readers(self, name: str) -> int:
        return sum(list(node.input).count(name) for node in self._nodes)

    def _constant(self, name: str, array: NDArray[Any]) -> str:
        if name not in self._arrays:
            self._arrays[name] = array
            self._constants.append(numpy_helper.from_array(array, name))
        return name


def _input(node: Any, place: int) -> str:
    return node.input[place] if len(node.input) > place else ""
