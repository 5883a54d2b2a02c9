"""INT8 kernels that overflow on CPUs without VNNI."""

import numpy as np
import openvino as ov

EXACT = frozenset({"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8"})
"""Instructions that add products of bytes in 32 bits."""

OVERFLOWING = "ssse3"
"""Has `pmaddubsw`, which adds two products in 16 bits, and its wider kin."""

SAFE = 64
"""Two products of a byte, at most 255, with weights up to this are below 2 ** 15."""


def can_overflow(model: ov.Model, flags: frozenset[str]) -> bool:
    """Whether sums of products may be clipped on an x86 CPU with `flags`, at a loss of accuracy.

    https://docs.openvino.ai/latest/pot_saturation_issue.html
    """
    if OVERFLOWING not in flags or flags & EXACT:
        return False
    return any(
        _adds_channels(node) and bool((np.abs(node.data.astype(np.int16)) > SAFE).any())
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant" and node.get_element_type() == ov.Type.i8
    )


def _adds_channels(weights: ov.Node) -> bool:
    """False for scales, and for depthwise convolutions, whose kernels take one channel each."""
    shape = tuple(weights.get_output_shape(0))
    return len(shape) == 2 or (len(shape) > 2 and shape[-3] > 1)
