"""INT8 quantization that keeps top-1 by returning the most harmful layers to floating point."""

from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import nncf
import numpy as np
import openvino as ov
from nncf.quantization.advanced_parameters import AdvancedAccuracyRestorerParameters
from numpy.typing import NDArray

from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.models.optimize.config import QuantizationConfig
from mlperf_benchmark.models.optimize.images import Images
from mlperf_benchmark.models.optimize.layers import LAYERS, layer_name
from mlperf_benchmark.models.optimize.quantization import refused_models, settings

RANKED_ON_AT_MOST = 300


@dataclass(frozen=True)
class Labelled:
    """A sequence of pairs of an image and its class index."""

    images: Images
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], np.int64]:
        return self.images[index], self.labels[index]

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], np.int64]]:
        return zip(self.images, self.labels, strict=True)


@dataclass(frozen=True)
class Outcome:
    """The numbers of right answers before and after, and the layers kept in floating point."""

    fp32_right: int
    int8_right: int
    reverted: tuple[str, ...]


def quantize_within_drop(
    graph: Any,
    images: Images,
    config: QuantizationConfig,
    preset_name: str,
    control: Labelled,
    *,
    max_drop: float,
) -> tuple[ov.Model, Outcome]:
    """Return `graph` in INT8, except for as many layers as top-1 on `control` requires.

    Parameters are those of `quantize`; `max_drop` is how much top-1 may drop. Raises ModelError if
    every layer would have to return to floating point.
    """
    if not isinstance(graph, ov.Model):
        raise UsageError("--max-drop works for OpenVINO files (xml, zip) only.")
    before = _count_right(graph, control)
    with refused_models(), redirect_stdout(StringIO()):
        quantized = nncf.quantize_with_accuracy_control(
            graph,
            validation_dataset=nncf.Dataset(control),
            validation_fn=_top1,
            max_drop=max_drop,
            advanced_accuracy_restorer_parameters=AdvancedAccuracyRestorerParameters(
                # The default is the number of calibration images, too few to distinguish the layers
                # well.
                ranking_subset_size=min(RANKED_ON_AT_MOST, len(control))
            ),
            **settings(graph, images, config, preset_name, key="advanced_quantization_parameters"),
        )
    layers = [
        node
        for node in quantized.get_ordered_ops()
        if node.get_type_name() in LAYERS and _has_weights(node)
    ]
    reverted = tuple(layer_name(node) for node in layers if not _is_int8(node))
    after = _count_right(quantized, control)
    outcome = Outcome(before, after, reverted)
    if len(reverted) == len(layers) or before - after > max_drop * len(control):
        raise ModelError(_too_much(max_drop, outcome, len(layers), len(control)))
    return quantized, outcome


def _too_much(max_drop: float, outcome: Outcome, layers: int, images: int) -> str:
    return (
        f"INT8 cannot keep top-1 within --max-drop {max_drop:g}: with"
        f" {len(outcome.reverted)} of {layers} layers back in floating point, {outcome.int8_right}"
        f" of {images} images are right, and {outcome.fp32_right} in FP32. Allow a larger drop,"
        " give more calibration images, or another --range-estimator."
    )


def _has_weights(layer: ov.Node) -> bool:
    """Whether the second factor does not depend on the image, as it does in attention."""
    waiting = [layer.input_value(1).get_node()]
    while waiting:
        node = waiting.pop()
        if node.get_type_name() == "Parameter":
            return False
        waiting += [value.get_node() for value in node.input_values()]
    return True


def _is_int8(layer: ov.Node) -> bool:
    """Whether the weights are INT8: a constant of bytes followed by a conversion and a scale."""
    node = layer.input_value(1).get_node()
    while node.get_input_size():
        node = node.input_value(0).get_node()
    return bool(node.get_element_type() == ov.Type.i8)


def _count_right(graph: ov.Model, control: Labelled) -> int:
    compiled = ov.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    _, right = _top1(compiled, control)
    return int(sum(right))


def _top1(
    model: ov.CompiledModel, samples: Iterable[tuple[NDArray[np.float32], np.int64]]
) -> tuple[float, list[float]]:
    """Return top-1 from 0 to 1, and whether each sample was right, as NNCF expects."""
    right = [float(model(image[np.newaxis])[0].argmax() == label) for image, label in samples]
    return sum(right) / len(right), right
