"""Reads the quantizers of an ONNX graph in QDQ form and writes them back."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.optimize.layers import OPERATORS
from mlperf_benchmark.models.optimize.qat.fake_quantization import FakeQuantizer, QuantizedLayer

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
SEVEN_BITS = 64
"""Weights that are all at most this large must stay so: some CPUs need it, see OVERFLOW_FIXES."""


@dataclass(frozen=True)
class LayerNode:
    """A convolution or linear layer with the nodes that quantize its inputs and outputs."""

    node: onnx.NodeProto
    given: onnx.NodeProto | None
    weight: onnx.NodeProto | None
    result: onnx.NodeProto | None


class QuantizedGraph:
    """Reads and changes `model`, in which layers may be quantized or not."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graph = model.graph
        _unshare(graph)
        self._makers = {name: node for node in graph.node for name in node.output}
        self._places = {tensor.name: tensor for tensor in graph.initializer}
        self._quantizers: dict[tuple[str, ...], FakeQuantizer] = {}

    def layers(self) -> Iterator[LayerNode]:
        """Yield the layers in execution order."""
        for node in self.model.graph.node:
            if node.op_type in OPERATORS:
                yield LayerNode(
                    node,
                    self._made_by(node.input[0], DEQUANTIZE),
                    self._made_by(node.input[1], DEQUANTIZE),
                    self._result_of(node),
                )

    def quantizer(self, node: onnx.NodeProto | None) -> FakeQuantizer | None:
        """Return the quantizer of a node, the same object for nodes that share a step.

        Raises ModelError for unusual kinds.
        """
        if node is None:
            return None
        key = tuple(node.input[1:])
        if key not in self._quantizers:
            self._quantizers[key] = self._read(node)
        return self._quantizers[key]

    def weight(self, layer: LayerNode) -> Tensor:
        """Return the stored weight of a layer in float32."""
        return self._values(layer.node.input[1])

    def bias(self, layer: LayerNode) -> Tensor | None:
        if len(layer.node.input) <= 2:
            return None
        return self._values(layer.node.input[2])

    def write(self, layer: LayerNode, trained: QuantizedLayer) -> None:
        """Write the values of `trained` into the graph."""
        for node, quantizer in (
            (layer.given, trained.given),
            (layer.weight, trained.weight),
            (layer.result, trained.result),
        ):
            if node is not None and quantizer is not None:
                self._store(node.input[1], quantizer.scale)
        weight, bias = trained.layer.weight, trained.layer.bias
        if layer.weight is None or trained.weight is None:
            self._store(layer.node.input[1], weight)
        else:
            self._store(layer.weight.input[0], trained.weight.integers(weight))
        if bias is not None:
            self._write_bias(layer, trained, bias)

    def _write_bias(self, layer: LayerNode, trained: QuantizedLayer, bias: Tensor) -> None:
        """Store the bias in float32, or as multiples of the product of the input and
        weight steps.
        """
        name = layer.node.input[2]
        node = self._made_by(name, DEQUANTIZE)
        if node is None:
            self._store(name, bias)
            return
        assert trained.given is not None
        assert trained.weight is not None
        step = trained.given.scale * trained.weight.scale
        self._store(node.input[1], step)
        self._store(node.input[0], (bias / step).round())

    def _result_of(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        users = [one for one in self.model.graph.node if node.output[0] in one.input]
        only_quantized = bool(users) and all(one.op_type == QUANTIZE for one in users)
        return users[0] if only_quantized else None

    def _made_by(self, name: str, operator: str) -> onnx.NodeProto | None:
        node = self._makers.get(name)
        return node if node is not None and node.op_type == operator else None

    def _read(self, node: onnx.NodeProto) -> FakeQuantizer:
        scale = torch.from_numpy(self._constant(node.input[1]).astype(np.float32))
        zero_points = self._constant(node.input[2])
        if zero_points.dtype not in (np.int8, np.uint8) or np.ptp(zero_points):
            raise ModelError(f"The quantizer {node.name} is of a kind that cannot be trained.")
        limits = np.iinfo(zero_points.dtype)
        low, high = int(limits.min), int(limits.max)
        if node.input[0] in self._places:
            largest = np.abs(self._constant(node.input[0]).astype(int)).max()
            high = SEVEN_BITS if largest <= SEVEN_BITS else high
            low = -high
        one = scale.reshape(()) if scale.numel() == 1 else scale
        return FakeQuantizer(one, int(zero_points.flat[0]), low, high)

    def _values(self, name: str) -> Tensor:
        """Return a constant, which is stored as it is or as integers with steps along the first
        axis.
        """
        node = self._made_by(name, DEQUANTIZE)
        if node is None:
            return torch.from_numpy(self._constant(name).astype(np.float32))
        stored = torch.from_numpy(self._constant(node.input[0]).astype(np.float32))
        scale = torch.from_numpy(self._constant(node.input[1]))
        return stored * (scale.reshape(-1, *[1] * (stored.ndim - 1)) if scale.ndim else scale)

    def _constant(self, name: str) -> NDArray[Any]:
        """Return a constant as an array. Raises ModelError if it is computed."""
        if name not in self._places:
            raise ModelError(
                f"This model cannot be trained in INT8: {name}, which a layer reads, is not stored."
            )
        values: NDArray[Any] = numpy_helper.to_array(self._places[name]).copy()
        return values

    def _store(self, name: str, values: Tensor) -> None:
        """Store `values` in the shape and type of the constant `name`."""
        place = self._places[name]
        old = numpy_helper.to_array(place)
        new = values.detach().cpu().numpy().reshape(old.shape).astype(old.dtype)
        place.CopyFrom(numpy_helper.from_array(new, name))


def _unshare(graph: onnx.GraphProto) -> None:
    """Give each layer its own weights and bias: exporters store equal ones only once."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    copies = [node for node in graph.node if node.op_type == "Identity" and node.input[0] in stored]
    for node in copies:
        _add(graph, stored[node.input[0]], node.output[0])
        graph.node.remove(node)
    stored = {tensor.name: tensor for tensor in graph.initializer}
    seen: set[str] = set()
    for node in graph.node:
        if node.op_type not in OPERATORS:
            continue
        for place, name in enumerate(node.input):
            if name in stored and name in seen:
                node.input[place] = f"{node.name}/{name}"
                _add(graph, stored[name], node.input[place])
            seen.add(name)


def _add(graph: onnx.GraphProto, tensor: onnx.TensorProto, name: str) -> None:
    own = onnx.TensorProto()
    own.CopyFrom(tensor)
    own.name = name
    graph.initializer.append(own)
