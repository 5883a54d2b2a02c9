"""Builds ONNX models with a single layer each, whose times are measured.

A probe consists of the image, a 1x1 convolution that makes the layer's input, the layer, a
selection of one pixel of its output, and as many scores made from it as backends want. The same
model without the layer is a second probe, whose time is subtracted.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mlperf_benchmark.models.architectures.onnx_export import INPUT, OPSET, OUTPUT
from mlperf_benchmark.models.prepare.latency.layer_shapes import LayerShape

COLOURS = 3
CLASSES = 1000
NARROW = 8
"""The scores are computed from this many values, so that they cost next to nothing."""


def layer_probe(shape: LayerShape) -> onnx.ModelProto:
    """Return a model of the layer from float32 (1, 3, height, width) to (1, CLASSES)."""
    graph = _Graph(shape)
    graph.make_input()
    if shape.kernel is None:
        graph.add("Flatten", axis=1)
        graph.add("Gemm", graph.weights(shape.outputs, shape.inputs), transB=1)
    else:
        inputs = 1 if shape.depthwise else shape.inputs
        graph.add(
            "Conv",
            graph.weights(shape.outputs, inputs, *shape.kernel),
            kernel_shape=shape.kernel,
            strides=shape.stride,
            pads=(*shape.padding, *shape.padding),
            dilations=shape.dilation,
            group=shape.inputs if shape.depthwise else 1,
        )
        graph.add("Relu")
        graph.one_pixel(shape.output_size)
    return graph.model(shape.outputs)


def input_probe(shape: LayerShape) -> onnx.ModelProto:
    """Return the same probe without its layer."""
    graph = _Graph(shape)
    graph.make_input()
    graph.one_pixel((shape.height, shape.width))
    return graph.model(shape.inputs)


class _Graph:
    """A model that is built as a chain of nodes."""

    def __init__(self, shape: LayerShape) -> None:
        self._shape = shape
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(0)

    def make_input(self) -> None:
        """Add the 1x1 convolution that makes the layer's input, unless that is the image itself."""
        if self._shape.inputs != COLOURS:
            self.add("Conv", self.weights(self._shape.inputs, COLOURS, 1, 1), kernel_shape=(1, 1))
            self.add("Relu")

    def one_pixel(self, size: tuple[int, int]) -> None:
        """Select one pixel of each channel, so that next to nothing is read, and flatten
        to a row.
        """
        self.add("MaxPool", kernel_shape=(1, 1), strides=size)
        self.add("Flatten", axis=1)

    def weights(self, outputs: int, *others: int) -> NDArray[np.float32]:
        scale = np.sqrt(2 / np.prod(others))
        values = self._random.standard_normal((outputs, *others), np.float32)
        scaled: NDArray[np.float32] = values * np.float32(scale)
        return scaled

    def add(
        self, operator: str, weight: NDArray[np.float32] | None = None, **attributes: Any
    ) -> None:
        name = f"{operator}{len(self._nodes)}"
        source = self._nodes[-1].output[0] if self._nodes else INPUT
        inputs = [source]
        if weight is not None:
            bias = np.zeros(len(weight), np.float32)
            for kind, values in (("weight", weight), ("bias", bias)):
                inputs.append(f"{name}.{kind}")
                self._constants.append(numpy_helper.from_array(values, inputs[-1]))
        self._nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))

    def model(self, channels: int) -> onnx.ModelProto:
        """Return the model; it makes the scores from a row of `channels` values."""
        if channels != CLASSES:
            self.add("Gemm", self.weights(NARROW, channels), transB=1)
            self.add("Gemm", self.weights(CLASSES, NARROW), transB=1)
        self._nodes[-1].output[0] = OUTPUT
        image = (1, COLOURS, self._shape.height, self._shape.width)
        graph = helper.make_graph(
            self._nodes,
            "probe",
            [_float(INPUT, image)],
            [_float(OUTPUT, (1, CLASSES))],
            self._constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def _float(name: str, shape: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
