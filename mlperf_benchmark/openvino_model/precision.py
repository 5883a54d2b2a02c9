"""The precision in which a compiled model really computes."""

from collections import Counter
from typing import Any

from mlperf_benchmark.models.files.precisions import summarized

COMPUTING_LAYERS = frozenset(
    {"Convolution", "GroupConvolution", "Deconvolution", "FullyConnected", "MatMul", "Gemm"}
)
INTEGER = {"u8": "int8", "i8": "int8"}


def executed_precision(compiled: Any) -> str:
    """What the layers that do the work run in: "f32", or "int8 (53 of 54 layers), f32".

    Read from OpenVINO's runtime graph, where it says what was executed, not what was asked for.
    """
    counts: Counter[str] = Counter()
    for layer in compiled.get_runtime_model().get_ordered_ops():
        info = layer.get_rt_info()
        if "layerType" in info and str(info["layerType"].astype(str)) in COMPUTING_LAYERS:
            precision = str(info["runtimePrecision"].astype(str))
            counts[INTEGER.get(precision, precision)] += 1
    return summarized(counts)
