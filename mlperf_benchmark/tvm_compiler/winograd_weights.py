"""Transforms weights of 3x3 convolutions for Winograd's method (see `kernels/winograd_transforms`).

A model's file holds the original weights, because its batch sizes may use different methods; they
are transformed when the model is loaded.
"""

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.tvm_compiler.storage import LANES

TAPS = 3
"""Of the kernels, both ways."""

NEAR, FAR = 0.5**0.5, 2**0.5
"""The finite points of F(4x4) besides 0, with either sign."""


def points(m: int) -> int:
    """Return the number of multiplications per tile of m x m outputs and pair of channels."""
    return (m + TAPS - 1) ** 2


def kernel_transform(m: int) -> NDArray[np.float64]:
    """Return G, of shape (m + 2, 3).

    The row of point a is (1, a, a^2), divided by the product of the distances from a to the other
    points; infinity is last.
    """
    finite = [0.0, 1.0, -1.0] if m == 2 else [0.0, NEAR, -NEAR, FAR, -FAR]
    rows = [
        [a**k / np.prod([a - other for other in finite if other != a]) for k in range(TAPS)]
        for a in finite
    ]
    return np.array([*rows, [0.0, 0.0, 1.0]])


def block_stride(m: int, inputs: int) -> int:
    """Return the distance in elements between the weights of two blocks of 16 output channels.

    It is an odd number of vectors: a power of two would map all blocks to one set of the cache.
    """
    return (points(m) * inputs | 1) * LANES


def transformed_size(m: int, shape: tuple[int, ...]) -> int:
    """Return the number of elements that `transform_weights` makes from weights (O, I, 3, 3)."""
    return -(-shape[0] // LANES) * block_stride(m, shape[1])


def transform_weights(weights: NDArray[np.float32], m: int, place: NDArray[np.float32]) -> None:
    """Transform (O, I, 3, 3) to flat `place` [O / 16][point][I][16], blocks `block_stride` apart.

    Output channels are padded to 16 with zeros. The transform is computed in float64.
    """
    inputs = weights.shape[1]
    g = kernel_transform(m)
    both = np.kron(g, g)
    blocks = place.reshape(-1, block_stride(m, inputs))
    blocks[:, points(m) * inputs * LANES :] = 0
    for number, block in enumerate(blocks):
        channels = weights[number * LANES : (number + 1) * LANES]
        padded = np.zeros((TAPS**2, inputs, LANES))
        padded[:, :, : len(channels)] = channels.reshape(-1, inputs, TAPS**2).transpose(2, 1, 0)
        transformed = both @ padded.reshape(TAPS**2, -1)
        block[: transformed.size] = transformed.reshape(-1)
