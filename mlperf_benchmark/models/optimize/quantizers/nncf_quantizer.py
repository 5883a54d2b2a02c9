"""NNCF's post-training quantization."""

from typing import Any, ClassVar

import onnx

from mlperf_benchmark.models.optimize.images import Images
from mlperf_benchmark.models.optimize.quantization import quantize
from mlperf_benchmark.models.optimize.quantizers.integer_graph import compute_in_integers
from mlperf_benchmark.models.optimize.quantizers.quantizer import Quantizer, Source


class Nncf(Quantizer):
    """Takes activation ranges from images, rounds weights to nearest and corrects biases."""

    method = "NNCF post-training quantization"
    summary = (
        "NNCF's min-max or percentile ranges, weights rounded to nearest, means of the outputs"
        " corrected (https://arxiv.org/abs/1906.04721, section 4.2)"
    )
    accepts = frozenset(
        {
            "preset",
            "range_estimator",
            "fast_bias_correction",
            "bias_correction",
            "overflow_fix",
            "max_drop",
            "validation_path",
        }
    )
    range_estimators = ("minmax", "percentile")
    overflow_fixes: ClassVar[tuple[str, ...]] = ("all", "first-layer", "none")

    def quantize(self, source: Source, images: Images) -> Any:
        graph = source.convert(source.export(source.module))
        quantized = quantize(graph, images, self.config, self.preset)
        if isinstance(quantized, onnx.ModelProto):
            compute_in_integers(quantized)
        return quantized
