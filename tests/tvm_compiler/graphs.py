"""Small ONNX models, and ONNX Runtime's answers as the truth about them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from mlperf_benchmark.core.image_format import ImageFormat, Images

MEAN = (120.0, 110.0, 100.0)
STD = (60.0, 50.0, 70.0)


@dataclass
class Model:
    """An ONNX graph under construction on (batch, 3, height, width); weights are random."""

    height: int
    width: int
    channels: int = 3
    last: str = "input"
    opset: int = 13
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def add(self, kind: str, *inputs: str, **attributes: Any) -> "Model":
        name = f"t{len(self.nodes)}"
        names = [self.last, *inputs]
        self.nodes.append(helper.make_node(kind, names, [name], **attributes))
        self.last = name
        return self

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def conv(
        self,
        outputs: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        pads: int | tuple[int, ...] = 0,
        *,
        group: int = 1,
        dilation: int = 1,
    ) -> "Model":
        shape = (kernel, kernel) if isinstance(kernel, int) else kernel
        inputs = self.channels // group
        weights = self.random.normal(size=(outputs, inputs, *shape))
        self.channels = outputs
        return self.add(
            "Conv",
            self.constant(weights / np.sqrt(inputs * shape[0] * shape[1])),
            self.constant(self.random.normal(size=outputs)),
            kernel_shape=shape,
            strides=(stride, stride),
            pads=(pads,) * 4 if isinstance(pads, int) else pads,
            group=group,
            dilations=(dilation, dilation),
        )

    def depthwise(self, kernel: int, stride: int = 1, pads: Any = 0) -> "Model":
        return self.conv(self.channels, kernel, stride, pads, group=self.channels)

    def relu(self) -> "Model":
        return self.add("Relu")

    def relu6(self) -> "Model":
        return self.add("Clip", self.constant(0.0), self.constant(6.0))

    def max_pool(self, kernel: int, stride: int, pads: int) -> "Model":
        return self.add(
            "MaxPool",
            kernel_shape=(kernel, kernel),
            strides=(stride, stride),
            pads=(pads,) * 4,
        )

    def classifier(self, classes: int) -> "Model":
        self.add("GlobalAveragePool").add("Flatten")
        weights = self.random.normal(size=(classes, self.channels)) / np.sqrt(self.channels)
        bias = self.constant(self.random.normal(size=classes))
        return self.add("Gemm", self.constant(weights), bias, transB=1)

    def flatten(self) -> "Model":
        """All pixels as "classes", so that every one of them is compared."""
        return self.add("Flatten")

    def onnx(self) -> onnx.ModelProto:
        size = ("batch", 3, self.height, self.width)
        graph = helper.make_graph(
            self.nodes,
            "test",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, size)],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, ("batch", None))],
            self.constants,
        )
        opset = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=9)
        return onnx.shape_inference.infer_shapes(model)

    def image(self) -> ImageFormat:
        return ImageFormat(self.height, self.width, MEAN, STD)


def random_images(count: int, height: int, width: int, seed: int = 0) -> Images:
    shape = (count, height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def normalised(images: Images, image: ImageFormat) -> NDArray[np.float32]:
    """What the ONNX model takes, float32 (batch, 3, height, width)."""
    values = (images - np.array(image.mean, np.float32)) / np.array(image.std, np.float32)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def reference(model: onnx.ModelProto, images: Images, image: ImageFormat) -> NDArray[np.float32]:
    """ONNX Runtime without optimisations: QDQ models in float, as they are written."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 2
    session = ort.InferenceSession(model.SerializeToString(), options)
    [scores] = session.run(None, {session.get_inputs()[0].name: normalised(images, image)})
    return np.asarray(scores)


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # has no types
    def __init__(self, batches: Iterable[NDArray[np.float32]]) -> None:
        self._batches: Iterator[NDArray[np.float32]] = iter(batches)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"input": batch}


def quantized(
    model: onnx.ModelProto,
    batches: Iterable[NDArray[np.float32]],
    folder: Path,
    small_weights: bool = False,
    **changes: Any,
) -> onnx.ModelProto:
    """By ONNX Runtime: uint8 activations, int8 weights with a scale per channel.

    `small_weights` have 7 bits. `changes` are of quantize_static's options.
    """
    options: dict[str, Any] = {
        "quant_format": QuantFormat.QDQ,
        "activation_type": QuantType.QUInt8,
        "weight_type": QuantType.QInt8,
        "per_channel": True,
        "reduce_range": small_weights,
    }
    source, target = folder / "float.onnx", folder / "int8.onnx"
    onnx.save(model, source)
    quantize_static(source, target, _Calibration(batches), **options | changes)
    return onnx.load(target)
