"""The quantizers of an ONNX graph in QDQ form, to be read and to be written back."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.optimize.layers import OPERATORS
from mlperf_benchmark.models.optimize.qat.fake_quantization import FakeQuantizer, QuantizedLayer

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
SEVEN_BITS = 64
"""Weights that are all as small as that are to stay so: some CPUs need it, see OVERFLOW_FIXES."""


@dataclass(frozen=True)
class LayerNode:
    """A convolution or linear layer, and the nodes that quantize what it takes and gives."""

    node: onnx.NodeProto
    given: onnx.NodeProto | None
    weight: onnx.NodeProto | None
    result: onnx.NodeProto | None


class QuantizedGraph:
    """Reads and changes `model`, whose layers may be quantized or not."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graph = model.graph
        self._makers = {name: node for node in graph.node for name in node.output}
        self._places = {tensor.name: tensor for tensor in graph.initializer}
        self._quantizers: dict[tuple[str, ...], FakeQuantizer] = {}

    def layers(self) -> Iterator[LayerNode]:
        """In the order of execution."""
        for node in self.model.graph.node:
            if node.op_type in OPERATORS:
                yield LayerNode(
                    node,
                    self._made_by(node.input[0], DEQUANTIZE),
                    self._made_by(node.input[1], DEQUANTIZE),
                    self._result_of(node),
                )

    def quantizer(self, node: onnx.NodeProto | None) -> FakeQuantizer | None:
        """The same one for nodes that share their step. Raises ModelError for unusual kinds."""
        if node is None:
            return None
        key = tuple(node.input[1:])
        if key not in self._quantizers:
            self._quantizers[key] = self._read(node)
        return self._quantizers[key]

    def weight(self, layer: LayerNode) -> Tensor:
        """As it is stored, in float32."""
        return torch.from_numpy(self._values(layer.node.input[1]).copy())

    def bias(self, layer: LayerNode) -> Tensor | None:
        if len(layer.node.input) <= 2:
            return None
        return torch.from_numpy(self._values(layer.node.input[2]).copy())

    def write(self, layer: LayerNode, trained: QuantizedLayer) -> None:
        """Put the values of `trained` into the graph."""
        for node, quantizer in (
            (layer.given, trained.given),
            (layer.weight, trained.weight),
            (layer.result, trained.result),
        ):
            if node is not None and quantizer is not None:
                self._store(node.input[1], _numbers(quantizer.scale))
        self._write_weight(layer, trained.layer.weight.detach(), trained.weight)
        if trained.layer.bias is not None:
            self._write_bias(layer, trained, _numbers(trained.layer.bias))

    def _write_weight(
        self, layer: LayerNode, weight: Tensor, quantizer: FakeQuantizer | None
    ) -> None:
        if layer.weight is None or quantizer is None:
            self._store(layer.node.input[1], _numbers(weight))
            return
        source = layer.weight.input[0]
        if source in self._places:
            self._store(source, _numbers(quantizer.integers(weight)))
        else:
            self._store(self._makers[source].input[0], _numbers(quantizer(weight)))

    def _write_bias(self, layer: LayerNode, trained: QuantizedLayer, bias: NDArray[Any]) -> None:
        name = layer.node.input[2]
        if name in self._places:
            self._store(name, bias)
            return
        node = self._makers[name]
        assert trained.given is not None
        assert trained.weight is not None
        step = _numbers(trained.given.scale * trained.weight.scale)
        self._store(node.input[1], step)
        self._store(node.input[0], np.round(bias / step))

    def _result_of(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        users = [one for one in self.model.graph.node if node.output[0] in one.input]
        only_quantized = users and all(one.op_type == QUANTIZE for one in users)
        return users[0] if only_quantized else None

    def _made_by(self, name: str, operator: str) -> onnx.NodeProto | None:
        node = self._makers.get(name)
        return node if node is not None and node.op_type == operator else None

    def _read(self, node: onnx.NodeProto) -> FakeQuantizer:
        scale = torch.from_numpy(self._values(node.input[1]).astype(np.float32).copy())
        zero_points = self._values(node.input[2])
        if zero_points.dtype not in (np.int8, np.uint8) or np.ptp(zero_points):
            raise ModelError(f"The quantizer {node.name} is of a kind that cannot be trained.")
        limits = np.iinfo(zero_points.dtype)
        low, high = int(limits.min), int(limits.max)
        stored = self._stored_integers(node)
        if stored is not None and zero_points.dtype == np.int8:
            largest = int(np.abs(stored).max())
            high = SEVEN_BITS if largest <= SEVEN_BITS else high
            low = -high
        if scale.numel() == 1:
            scale = scale.reshape(())
        return FakeQuantizer(scale, int(zero_points.flat[0]), low, high)

    def _stored_integers(self, node: onnx.NodeProto) -> NDArray[Any] | None:
        """Of weights; None for activations."""
        source = node.input[0]
        if source in self._places:
            return self._values(source).astype(np.int64)
        quantize = self._made_by(source, QUANTIZE)
        if quantize is None or quantize.input[0] not in self._places:
            return None
        weight = self._values(quantize.input[0])
        scale = self._values(node.input[1])
        integers: NDArray[np.int64] = np.round(
            weight / scale.reshape(-1, *[1] * (weight.ndim - 1))
        ).astype(np.int64)
        return integers

    def _values(self, name: str) -> NDArray[Any]:
        """Of a constant, stored as it is or quantized."""
        if name in self._places:
            return numpy_helper.to_array(self._places[name])
        node = self._makers.get(name)
        if node is None or node.op_type not in (DEQUANTIZE, QUANTIZE, "Constant"):
            raise ModelError(f"The graph has no constant {name}, which its layers read.")
        if node.op_type == "Constant":
            return numpy_helper.to_array(helper.get_attribute_value(node.attribute[0]))
        values = self._values(node.input[0]).astype(np.float32)
        if node.op_type == QUANTIZE:
            return values
        if node.input[0] not in self._places:
            return self._values(self._makers[node.input[0]].input[0])
        scale = self._values(node.input[1])
        zero_point = self._values(node.input[2]) if len(node.input) > 2 else np.zeros(1)
        trailing = [1] * (values.ndim - 1) if scale.ndim and scale.size > 1 else []
        offset = zero_point.astype(np.float32).reshape(zero_point.shape and (-1, *trailing))
        result: NDArray[Any] = (values - offset) * scale.reshape(scale.shape and (-1, *trailing))
        return result

    def _store(self, name: str, values: NDArray[Any]) -> None:
        """In the shape and type that the constant has."""
        place = self._places[name]
        old = numpy_helper.to_array(place)
        place.CopyFrom(numpy_helper.from_array(values.reshape(old.shape).astype(old.dtype), name))


def _numbers(values: Tensor) -> NDArray[Any]:
    result: NDArray[Any] = values.detach().cpu().numpy()
    return result
