"""Post-training INT8 quantization of an OpenVINO or ONNX graph with NNCF."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from types import MappingProxyType
from typing import Any

import nncf
import numpy as np
import openvino as ov
from nncf.quantization.advanced_parameters import (
    AdvancedQuantizationParameters,
    OverflowFix,
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

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.optimize.config import QuantizationConfig
from mlperf_benchmark.models.optimize.images import Images
from mlperf_benchmark.models.optimize.layers import find_layers, has_attention

# Averaging over the images, instead of taking extremes, clips what few images need:
# EfficientNet-Lite0 got 142 of 200 images right instead of 181.
_RANGES: Mapping[str, RangeEstimatorParameters] = MappingProxyType(
    {
        "minmax": RangeEstimatorParametersSet.MINMAX,
        "percentile": RangeEstimatorParameters(
            min=StatisticsCollectorParameters(StatisticsType.QUANTILE, AggregatorType.MIN),
            max=StatisticsCollectorParameters(StatisticsType.QUANTILE, AggregatorType.MAX),
        ),
    }
)


_OVERFLOW_FIXES: Mapping[str, OverflowFix] = MappingProxyType(
    {
        "all": OverflowFix.ENABLE,
        "first-layer": OverflowFix.FIRST_LAYER,
        "none": OverflowFix.DISABLE,
    }
)


def quantize(graph: Any, images: Images, config: QuantizationConfig, preset_name: str) -> Any:
    """Return `graph` with its convolutions and linear layers in INT8.

    `graph` is an ov.Model or onnx.ModelProto, `images` are for calibration, `preset_name` is one
    of PRESETS. Raises ModelError.
    """
    # NNCF shows its progress on stdout, which is for results.
    with refused_models(), redirect_stdout(StringIO()):
        return nncf.quantize(
            graph,
            nncf.Dataset(images, _input_of(graph)),
            preset=nncf.QuantizationPreset(preset_name),
            target_device=nncf.TargetDevice.CPU,
            model_type=nncf.ModelType.TRANSFORMER if has_attention(graph) else None,
            subset_size=len(images),
            fast_bias_correction=config.fast_bias_correction,
            ignored_scope=nncf.IgnoredScope(names=find_layers(graph, config.keep_fp32)),
            advanced_parameters=AdvancedQuantizationParameters(
                overflow_fix=_OVERFLOW_FIXES[config.overflow_fix],
                activations_range_estimator_params=_RANGES[config.range_estimator],
                activations_quantization_params=_activations(graph),
                disable_bias_correction=not config.bias_correction,
            ),
        )


@contextmanager
def refused_models() -> Iterator[None]:
    """Silence NNCF and turn its errors about a model into ModelError."""
    nncf.set_log_level(logging.ERROR)
    try:
        yield
    except (nncf.InternalError, nncf.ValidationError, nncf.UnsupportedModelError) as error:
        raise ModelError(f"This model cannot be quantized: {error}") from error


def _activations(graph: Any) -> QuantizationParameters | None:
    """Return the settings for activations, or None for NNCF's defaults.

    By default NNCF scales a depthwise convolution's input per channel, which OpenVINO supports.
    Kernels of other backends take one scale per tensor, so that ONNX files use that.
    """
    return None if isinstance(graph, ov.Model) else QuantizationParameters(per_channel=False)


def _input_of(graph: Any) -> Callable[[NDArray[np.float32]], Any]:
    """Return a function that makes NNCF's input from an image.

    It is a batch of one; ONNX models get it under the name of the input.
    """
    if isinstance(graph, ov.Model):
        return lambda image: image[np.newaxis]
    name = graph.graph.input[0].name
    return lambda image: {name: image[np.newaxis]}
