"""INT8 quantization that keeps top-1 by returning the most harmful layers to floating point."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.optimize.images import Images
from mlperf_benchmark.models.optimize.layer_errors import measure_errors
from mlperf_benchmark.models.optimize.layer_points import restored_model
from mlperf_benchmark.models.optimize.layers import layers_by_name
from mlperf_benchmark.models.optimize.quantizers.quantizer import (
    Quantizer,
    Source,
    make_quantizer,
)
from mlperf_benchmark.models.optimize.sensitive_layers import most_harmful_first, restoring

RANKED_ON_AT_MOST = 300


@dataclass(frozen=True)
class Labelled:
    """Images and the indices of their right classes among the scores."""

    images: Images
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def count_right(self, graph: ov.Model) -> int:
        compiled = ov.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return sum(
            int(compiled(image[np.newaxis])[0].argmax() == label)
            for image, label in zip(self.images, self.labels, strict=True)
        )

    def ranking_batches(self) -> Iterator[tuple[NDArray[np.float32], int]]:
        """Yield the images that layers are ranked on, as `measure_errors` takes them.

        They are at even distances, as lists may be sorted by class.
        """
        for index in range(0, len(self), -(-len(self) // RANKED_ON_AT_MOST)):
            yield self.images[index][np.newaxis], 1


@dataclass(frozen=True)
class Outcome:
    """The numbers of right answers before and after, and the layers kept in floating point, in the
    order in which they went back.
    """

    fp32_right: int
    int8_right: int
    reverted: tuple[str, ...]


def quantize_within_drop(
    quantizer: Quantizer, source: Source, images: Images, control: Labelled, *, max_drop: float
) -> tuple[Any, Outcome]:
    """Return the graph in INT8, except for as many layers as top-1 on `control` requires.

    `images` are for calibration; `max_drop` is how much top-1 may drop. Right answers are those
    that OpenVINO gives, whichever backend the graph is for. Raises ModelError if every layer would
    have to return to floating point.
    """
    exported = source.export(source.module)
    fp32 = _in_openvino(exported)
    graph = _quantized(quantizer, source, images, ())
    int8 = _in_openvino(graph)
    fp32_right, right = control.count_right(fp32), control.count_right(int8)

    def is_within(right: int) -> bool:
        return (fp32_right - right) / len(control) <= max_drop

    if is_within(right):
        return graph, Outcome(fp32_right, right, ())
    errors = measure_errors(fp32, int8, control.ranking_batches)
    can_go_back = layers_by_name(exported).keys() - set(quantizer.config.keep_fp32)
    layers = [one.name for one in errors.worst_layers() if one.name in can_go_back]
    restore = restoring(fp32, int8, control.ranking_batches, errors.baseline_scores)
    back: tuple[str, ...] = ()
    for name in most_harmful_first(layers, restore):
        back = (*back, name)
        right = control.count_right(restored_model(fp32, int8, back))
        if len(back) < len(layers) and is_within(right):
            # Quantize anew: the other layers may get other quantizers and biases.
            graph = _quantized(quantizer, source, images, back)
            right = control.count_right(_in_openvino(graph))
            if is_within(right):
                return graph, Outcome(fp32_right, right, back)
    raise ModelError(
        f"INT8 cannot keep top-1 within --max-drop {max_drop:g}: with"
        f" {len(back)} of {len(layers)} layers back in floating point, {right}"
        f" of {len(control)} images are right, and {fp32_right} in FP32. Allow a larger drop,"
        " give more calibration images, or another --range-estimator."
    )


def _quantized(quantizer: Quantizer, source: Source, images: Images, back: tuple[str, ...]) -> Any:
    """Quantize a copy, as quantizers may change the module, with the layers `back` in FP32."""
    config = replace(quantizer.config, keep_fp32=(*quantizer.config.keep_fp32, *back))
    copied = replace(source, module=deepcopy(source.module))
    return make_quantizer(config, quantizer.preset).quantize(copied, images)


def _in_openvino(graph: Any) -> ov.Model:
    """Return an ov.Model or onnx.ModelProto as the former."""
    if isinstance(graph, ov.Model):
        return graph
    return ov.convert_model(BytesIO(graph.SerializeToString()))
