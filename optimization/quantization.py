"""Post-training INT8 quantization of an OpenVINO or ONNX graph with NNCF."""

import logging
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from types import MappingProxyType
from typing import Any

import nncf
import numpy as np
import openvino as ov
from nncf.quantization.advanced_parameters import (
    AdvancedQuantizationParameters,
    QuantizationParameters,
)
from nncf.quantization.range_estimator import (
    AggregatorType,
    RangeEstimatorParameters,
    RangeEstimatorParametersSet,
    StatisticsCollectorParameters,
    StatisticsType,
)
from numpy.typing import NDArray

from contracts.errors import ModelError, UsageError
from optimization.config import QuantizationConfig

# A mean over the images instead of their extremes clips what few images need: EfficientNet-Lite0
# got 142 of 200 images right instead of 181.
_RANGES: Mapping[str, RangeEstimatorParameters] = MappingProxyType(
    {
        "minmax": RangeEstimatorParametersSet.MINMAX,
        "percentile": RangeEstimatorParameters(
            min=StatisticsCollectorParameters(StatisticsType.QUANTILE, AggregatorType.MIN),
            max=StatisticsCollectorParameters(StatisticsType.QUANTILE, AggregatorType.MAX),
        ),
    }
)


@dataclass(frozen=True)
class Labelled:
    """Normalised float32 images (count, 3, height, width) and their class indices."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def quantize(
    graph: Any,
    images: NDArray[np.float32],
    config: QuantizationConfig,
    preset_name: str,
    control: Labelled | None,
) -> Any:
    """Return `graph` with its convolutions and linear layers in INT8.

    `graph` is an ov.Model or onnx.ModelProto, `images` are normalised float32
    (count, 3, height, width) for calibration, `preset_name` one of PRESETS. With `max_drop`,
    top-1 is measured on `control`, and the layers that lose most return to floating point.
    Raises ModelError.
    """
    nncf.set_log_level(logging.ERROR)
    samples = nncf.Dataset([image[np.newaxis] for image in images], _input_of(graph))
    preset = nncf.QuantizationPreset(preset_name)
    parameters = AdvancedQuantizationParameters(
        activations_range_estimator_params=_RANGES[config.range_estimator],
        activations_quantization_params=_activations(graph),
    )
    try:
        # NNCF draws its progress on stdout, which is for results.
        with redirect_stdout(StringIO()):
            if config.max_drop is None:
                return nncf.quantize(
                    graph,
                    samples,
                    preset=preset,
                    target_device=nncf.TargetDevice.CPU,
                    subset_size=len(images),
                    fast_bias_correction=config.fast_bias_correction,
                    advanced_parameters=parameters,
                )
            if control is None or not isinstance(graph, ov.Model):
                raise UsageError("--max-drop needs labelled images and an OpenVINO model file.")
            return nncf.quantize_with_accuracy_control(
                graph,
                samples,
                nncf.Dataset(list(zip(control.images, control.labels, strict=True))),
                _top1,
                max_drop=config.max_drop,
                preset=preset,
                target_device=nncf.TargetDevice.CPU,
                subset_size=len(images),
                fast_bias_correction=config.fast_bias_correction,
                advanced_quantization_parameters=parameters,
            )
    except (nncf.InternalError, nncf.ValidationError, nncf.UnsupportedModelError) as error:
        raise ModelError(f"This model cannot be quantized: {error}") from error


def _activations(graph: Any) -> QuantizationParameters | None:
    """NNCF scales a depthwise convolution's input channel by channel, which OpenVINO computes.

    Kernels of other backends take one scale a tensor, so ONNX files have that.
    """
    return None if isinstance(graph, ov.Model) else QuantizationParameters(per_channel=False)


def _input_of(graph: Any) -> Any:
    """How NNCF is to feed a sample: ONNX inputs go by name."""
    if isinstance(graph, ov.Model):
        return None
    name = graph.graph.input[0].name
    return lambda sample: {name: sample}


def _top1(
    model: ov.CompiledModel, samples: Iterable[tuple[NDArray[np.float32], np.int64]]
) -> tuple[float, list[float]]:
    """Top-1 from 0 to 1, and whether each sample was right, as NNCF wants it."""
    right = [float(model(image[np.newaxis])[0].argmax() == label) for image, label in samples]
    return sum(right) / len(right), right
