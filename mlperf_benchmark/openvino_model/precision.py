"""The precision in which a compiled model really computes, and the one its weights came in."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import openvino as ov

from mlperf_benchmark.core.precisions import summarized

COMPUTING_LAYERS = frozenset(
    {"Convolution", "GroupConvolution", "Deconvolution", "FullyConnected", "MatMul", "Gemm"}
)
INTEGER = {"u8": "int8", "i8": "int8", "u4": "int4", "i4": "int4"}
TYPE = re.compile(r"(bf|[fiu])\d+")


def executed_precision(compiled: Any) -> str:
    """What the layers that do the work run in: "f32", or "int8 (53 of 54 layers), f32".

    Read from OpenVINO's runtime graph, where it says what was executed, not what was asked for.
    """
    counts: Counter[str] = Counter()
    for layer in compiled.get_runtime_model().get_ordered_ops():
        info = {name: str(value.astype(str)) for name, value in layer.get_rt_info().items()}
        if info.get("layerType") in COMPUTING_LAYERS:
            precision = kernel_precision(info)
            counts[INTEGER.get(precision, precision)] += 1
    return summarized(counts)


def kernel_precision(info: Mapping[str, str]) -> str:
    """Of "brgconv_avx512_f32" the last part: the type of the data that the kernel multiplies.

    `info` is what a layer of the runtime graph says of itself.

    A layer's `runtimePrecision` is that of its narrowest operand, the weights as they are stored,
    which the kernel may widen before it computes.
    """
    kernel = info["primitiveType"].rpartition("_")[2].lower()
    return kernel if TYPE.fullmatch(kernel) else info["runtimePrecision"]


def stored_precision(model: ov.Model) -> str:
    """The type of most of the model's constants, by number of elements: "f32", "f16", "int8", …"""
    counts: Counter[str] = Counter()
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant":
            kind = str(node.get_element_type().to_string())
            counts[INTEGER.get(kind, kind)] += math.prod(node.get_output_shape(0))
    return counts.most_common(1)[0][0] if counts else "f32"
