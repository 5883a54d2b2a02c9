"""INT8 weights that kernels of CPUs without VNNI cannot add exactly."""

import numpy as np
from numpy.typing import NDArray

EXACT = frozenset({"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8"})
"""Instructions that add products of bytes in 32 bits."""

OVERFLOWING = "ssse3"
"""Has `pmaddubsw`, which adds two products in 16 bits, and its wider kin."""

SAFE = 64
"""Two products of a byte, at most 255, with weights up to this are below 2 ** 15."""


def cpu_clips(flags: frozenset[str]) -> bool:
    """Whether an x86 CPU with `flags` adds products of bytes in 16 bits.

    https://docs.openvino.ai/latest/pot_saturation_issue.html
    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    """
    return OVERFLOWING in flags and not flags & EXACT


def are_clipped(weights: NDArray[np.int8]) -> bool:
    """Whether sums of products with `weights` may then be clipped, at a loss of accuracy.

    `weights` of convolutions are (…, channels, height, width), of matrices (rows, columns).
    Scales are not, nor depthwise convolutions, whose kernels take one channel each.
    """
    shape = weights.shape
    adds_channels = len(shape) == 2 or (len(shape) > 2 and shape[-3] > 1)
    return adds_channels and bool((np.abs(weights.astype(np.int16)) > SAFE).any())
