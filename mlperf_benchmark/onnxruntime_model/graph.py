"""Fits an ONNX model to the images: input, layout, normalisation and batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from backend import BackendConfig
from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.core.onnx_reading import declared_shape, true_inputs
from mlperf_benchmark.models.files.ports import (
    CHANNELS,
    Port,
    check_image_size,
    choose_input,
    image_batch,
    image_layout,
)
from mlperf_benchmark.onnxruntime_model.weights import FLOATS

IMAGES = "mlperf-benchmark/images"
"""The input of the fitted model, whose name no exporter gives."""


@dataclass(frozen=True)
class FittedOnnx:
    """How a model takes uint8 NHWC images, by its input `IMAGES`.

    `input_name` and `data_format` are those of its own input. `batch` is the number of images that
    an inference takes; `dynamic` that it may be fewer; `is_fixed` that the model file allows no
    fewer.
    """

    input_name: str
    data_format: str
    batch: int
    dynamic: bool
    is_fixed: bool


def fit(model: onnx.ModelProto, config: BackendConfig) -> FittedOnnx:
    """Put the normalisation into the graph of `model`. ModelError where the images do not fit."""
    values = true_inputs(model.graph)
    ports = [Port((value.name,), declared_shape(value)) for value in values]
    port = choose_input(ports, config.inputs)
    layout = image_layout(port, config.data_format)
    batch, fixed = image_batch(port, config.max_batch_size)
    dynamic = config.variable_batch and batch > 1 and not fixed
    check_image_size(port, layout, config.image)
    _take_images(model.graph, values[0], layout, None if dynamic else batch, config.image)
    return FittedOnnx(
        input_name=port.names[0],
        data_format=layout,
        batch=batch,
        dynamic=dynamic,
        is_fixed=fixed and batch > 1,
    )


def _take_images(
    graph: Any, value: Any, layout: str, batch: int | None, image: ImageFormat
) -> None:
    """Let `graph` compute its input `value` from uint8 images."""
    kind = value.type.tensor_type.elem_type
    if kind != TensorProto.UINT8 and kind not in FLOATS:
        name = TensorProto.DataType.Name(kind).lower()
        raise ModelError(
            f"The model's input {value.name} takes {name}, which is neither floating point nor "
            f"uint8."
        )
    steps = _Steps(IMAGES)
    if layout == "NCHW":
        # Before all else, as bytes are quicker to move than floats.
        steps.add("Transpose", perm=[0, 3, 1, 2])
    if kind != TensorProto.UINT8:
        steps.add("Cast", to=TensorProto.FLOAT)
        steps.add("Sub", _constant(image.mean, layout, image.width))
        steps.add("Mul", _constant(1 / np.array(image.std), layout, image.width))
        if kind != TensorProto.FLOAT:
            steps.add("Cast", to=kind)
    steps.add("Identity")
    steps.nodes[-1].output[0] = value.name
    for place, node in enumerate(steps.nodes):
        graph.node.insert(place, node)
    size = (batch or "batch", image.height, image.width, CHANNELS)
    value.CopyFrom(helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, size))


def _constant(channels: Any, layout: str, width: int) -> NDArray[np.float32]:
    """One value a channel, in a shape that broadcasts over the images.

    In NHWC a whole row of pixels: ONNX Runtime is many times slower with three numbers at a time.
    """
    values = np.array(channels, np.float32)
    if layout == "NCHW":
        return values.reshape(1, CHANNELS, 1, 1)
    return np.tile(values, width).reshape(1, 1, width, CHANNELS)


class _Steps:
    """Nodes, each of which takes what the one before gives."""

    def __init__(self, start: str) -> None:
        self.nodes: list[Any] = []
        self._last = start

    def add(self, kind: str, constant: NDArray[Any] | None = None, **attributes: Any) -> None:
        name = f"mlperf-benchmark/{kind}{len(self.nodes)}"
        inputs = [self._last]
        if constant is not None:
            inputs.append(f"{name}/constant")
            tensor = numpy_helper.from_array(constant, inputs[-1])
            self.nodes.append(helper.make_node("Constant", [], inputs[1:], value=tensor))
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        self._last = name
