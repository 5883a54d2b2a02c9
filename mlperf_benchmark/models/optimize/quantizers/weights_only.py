"""Quantizes weights to INT8 and leaves activations in floating point."""

from contextlib import redirect_stdout
from io import StringIO
from typing import Any, ClassVar

import nncf
import openvino as ov

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.optimize.images import Images
from mlperf_benchmark.models.optimize.layers import find_layers
from mlperf_benchmark.models.optimize.quantization import refused_models
from mlperf_benchmark.models.optimize.quantizers.quantizer import Quantizer, Source


class WeightsOnly(Quantizer):
    """Makes the file a quarter as large; the runtime scales the weights before computing."""

    method = "NNCF weight compression"
    summary = (
        "weights alone, rounded to nearest, symmetric, one scale a channel, for --precision w8:"
        " NNCF's compression"
        " (https://docs.openvino.ai/2024/openvino-workflow/model-optimization-guide/"
        "weight-compression.html)"
    )
    precision = "w8"
    needs_images = False
    accepts: ClassVar[frozenset[str]] = frozenset()

    def quantize(self, source: Source, images: Images) -> Any:
        graph = source.convert(source.export(source.module))
        if not isinstance(graph, ov.Model):
            raise UsageError(
                "--precision w8 is for OpenVINO's files (--format xml or zip): the other backends"
                " have no layers of floating point that read INT8 weights."
            )
        ignored = nncf.IgnoredScope(names=find_layers(graph, self.config.keep_fp32))
        with refused_models(), redirect_stdout(StringIO()):
            return nncf.compress_weights(
                graph, mode=nncf.CompressWeightsMode.INT8_SYM, ignored_scope=ignored
            )
