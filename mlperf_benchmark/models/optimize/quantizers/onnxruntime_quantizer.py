"""ONNX Runtime's static quantization."""

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.optimize.images import Images
from mlperf_benchmark.models.optimize.layers import OPERATORS, find_layers
from mlperf_benchmark.models.optimize.quantizers.quantizer import Quantizer, Source

_METHODS: Mapping[str, CalibrationMethod] = MappingProxyType(
    {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
)
ACTIVATIONS = frozenset({"Clip", "Relu"})
"""Without these operators, ONNX Runtime takes the range of a layer's outputs before the activation,
which cuts most of it off: EfficientNet-Lite0 got 157 of 200 images right.
"""

IMAGES_AT_A_TIME = 4
"""The number of images whose activations are all in memory while histograms are collected."""


class OnnxRuntime(Quantizer):
    """Quantizes weights symmetrically per channel, and activations with one scale per tensor."""

    method = "ONNX Runtime static quantization"
    tools = ("onnxruntime",)
    summary = (
        "ONNX Runtime's static quantization: min-max, percentile (99.999 %) or entropy ranges"
        " (https://arxiv.org/abs/2004.09602), weights per channel, rounded to nearest"
    )
    accepts = frozenset(
        {"preset", "range_estimator", "overflow_fix", "max_drop", "validation_path"}
    )
    range_estimators = tuple(_METHODS)

    def quantize(self, source: Source, images: Images) -> Any:
        model = source.export(source.module)
        kept = find_layers(model, self.config.keep_fp32)
        symmetric = self.preset == "performance"
        with TemporaryDirectory(prefix="quantize-") as folder, _quietly():
            # Use a file: if the quantizer fails on a model in memory, that model loses its weights.
            original = Path(folder, "original.onnx")
            onnx.save(model, original)
            prepared = Path(folder, "prepared.onnx")
            quantized = Path(folder, "quantized.onnx")
            try:
                quant_pre_process(original, prepared, skip_symbolic_shape=True)
                quantize_static(
                    prepared,
                    quantized,
                    _Reader(images, model.graph.input[0].name),
                    quant_format=QuantFormat.QDQ,
                    op_types_to_quantize=sorted(OPERATORS | ACTIVATIONS),
                    per_channel=True,
                    reduce_range=self.config.overflow_fix == "all",
                    activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    nodes_to_exclude=kept,
                    calibrate_method=_METHODS[self.config.range_estimator],
                    extra_options={
                        "ActivationSymmetric": symmetric,
                        "CalibStridedMinMax": _stride(len(images)),
                    },
                )
            except (ValueError, RuntimeError) as error:
                raise ModelError(f"This model cannot be quantized: {error}") from error
            return source.convert(onnx.load(quantized))


def _stride(count: int) -> int:
    """Return the number of images per portion, which must divide `count`."""
    return next(size for size in range(IMAGES_AT_A_TIME, 0, -1) if count % size == 0)


class _Reader:
    """Feeds the images of a range to ONNX Runtime one by one."""

    def __init__(self, images: Images, name: str) -> None:
        self._images = images
        self._name = name
        self.set_range(0, len(images))

    def __len__(self) -> int:
        return len(self._images)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._indices = iter(range(start_index, min(end_index, len(self._images))))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        index = next(self._indices, None)
        return None if index is None else {self._name: self._images[index][np.newaxis]}


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence the quantizer, which logs advice and prints to stdout, where results go."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
