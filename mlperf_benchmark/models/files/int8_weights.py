"""Detects INT8 weights whose products CPUs without VNNI cannot add exactly."""

import numpy as np
from numpy.typing import NDArray

EXACT = frozenset({"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8"})
"""CPU flags of the instructions that add products of bytes in 32 bits."""

OVERFLOWING = "ssse3"
"""The CPU flag of `pmaddubsw`, which adds two products in 16 bits, also in its wider versions."""

SAFE = 64
"""Two products of a byte (at most 255) with weights up to this size add up to less than 2 ** 15."""


def cpu_clips(flags: frozenset[str]) -> bool:
    """Whether an x86 CPU with `flags` adds products of bytes in 16 bits.

    https://docs.openvino.ai/latest/pot_saturation_issue.html
    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    """
    return OVERFLOWING in flags and not flags & EXACT


def are_clipped(weights: NDArray[np.int8]) -> bool:
    """Whether such a CPU may clip sums of products with `weights`, which costs accuracy.

    Weights of convolutions are (…, channels, height, width), matrices are (rows, columns). Other
    shapes are scales, which are not clipped. Neither are depthwise convolutions, whose kernels
    process each channel alone.
    """
    shape = weights.shape
    adds_channels = len(shape) == 2 or (len(shape) > 2 and shape[-3] > 1)
    return adds_channels and bool((np.abs(weights.astype(np.int16)) > SAFE).any())
