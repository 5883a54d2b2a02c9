"""Builds a trainable module from a module and its quantized graph, and writes it back."""

import copy
from collections.abc import Sequence

import onnx
import torch
from torch import nn

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.optimize.macs import macs_by_layer
from mlperf_benchmark.models.optimize.qat.fake_quantization import QuantizedLayer
from mlperf_benchmark.models.optimize.qat.quantized_graph import LayerNode, QuantizedGraph


class Student:
    """`module` is trainable and computes what the `quantized` graph of another module computes.

    Its batch norms are folded into the convolutions, as in the graph.
    """

    def __init__(
        self,
        original: nn.Module,
        input_size: int,
        plain: onnx.ModelProto,
        quantized: onnx.ModelProto,
    ) -> None:
        """`plain` is the graph of `original` that `quantized` was made from.

        Raises ModelError if their layers do not correspond.
        """
        if any(node.op_type == "BatchNormalization" for node in plain.graph.node):
            raise ModelError(
                "This model cannot be trained in INT8: a batch norm follows no convolution."
            )
        self.module = copy.deepcopy(original)
        self._graph = QuantizedGraph(quantized)
        plain_graph = QuantizedGraph(plain)
        originals = list(plain_graph.layers())
        self._nodes = _twins(originals, self._graph)
        self._layers = self._replace(input_size, plain_graph, originals)

    def graph(self) -> onnx.ModelProto:
        """Return the quantized graph with the trained values."""
        for node, layer in zip(self._nodes, self._layers, strict=True):
            self._graph.write(node, layer)
        return self._graph.model

    def _replace(
        self, input_size: int, plain: QuantizedGraph, originals: Sequence[LayerNode]
    ) -> list[QuantizedLayer]:
        layers = list(macs_by_layer(self.module, input_size))
        if any(one.node.op_type == "MatMul" for one in originals):
            # Their weights are transposed in the graph, and a bias is a node of its own.
            raise ModelError(
                "This model cannot be trained in INT8: it has linear layers on tokens or maps, as"
                " transformers have, or without a bias."
            )
        if len(layers) != len(originals):
            raise ModelError(
                f"This model cannot be trained in INT8: it has {len(layers)} layers, and its graph"
                f" {len(originals)}."
            )
        replaced: dict[nn.Module, QuantizedLayer] = {}
        for layer, node, original in zip(layers, self._nodes, originals, strict=True):
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            with torch.no_grad():
                layer.weight.copy_(plain.weight(original).reshape(layer.weight.shape))
                bias = self._graph.bias(node)
                layer.bias = None if bias is None else nn.Parameter(bias)
            replaced[layer] = QuantizedLayer(
                layer,
                self._graph.quantizer(node.given),
                self._graph.quantizer(node.weight),
                self._graph.quantizer(node.result),
            )
        for parent in list(self.module.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.BatchNorm2d):
                    setattr(parent, name, nn.Identity())
                elif child in replaced and not isinstance(parent, QuantizedLayer):
                    setattr(parent, name, replaced[child])
        return [replaced[layer] for layer in layers]


def _twins(originals: Sequence[LayerNode], quantized: QuantizedGraph) -> list[LayerNode]:
    """Return the layers of the same names: a quantizer may reorder independent layers."""
    found = {layer.node.name: layer for layer in quantized.layers()}
    missing = [layer.node.name for layer in originals if layer.node.name not in found]
    if missing or len(found) != len(originals):
        raise ModelError(
            "This model cannot be trained in INT8: the layers of its quantized graph are not those"
            f" that it had ({', '.join(missing) or f'{len(found)} for {len(originals)}'})."
        )
    return [found[layer.node.name] for layer in originals]
