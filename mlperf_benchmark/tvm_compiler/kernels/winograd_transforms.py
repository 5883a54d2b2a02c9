"""The arithmetic of Winograd's convolutions F(2x2, 3x3) and F(4x4, 3x3): y = A^T [G g . B^T d] A.

F(m x m) makes m x m outputs out of (m + 2)^2 inputs with one multiplication for each of these
(m + 2)^2 points, where a direct convolution takes 9 for each output: 2.25 and 4 times as many.
Polynomials are evaluated at 0, 1, -1 and infinity for m = 2; at 0, +-sqrt(1/2), +-sqrt(2) and
infinity for m = 4, which is three to five times as exact as the usual 0, +-1, +-2 and as quick
(largest errors are in the README of the compiler).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.tvm_compiler.kernels.emit import accumulators, read, splat, write
from mlperf_benchmark.tvm_compiler.storage import LANES

TAPS = 3
"""Of the kernels, both ways."""

_NEAR, _FAR = 0.5**0.5, 2**0.5

Transform = Callable[[int, Sequence[Any]], list[Any]]


def points(m: int) -> int:
    """How many multiplications a tile of m x m outputs takes per pair of channels."""
    return (m + TAPS - 1) ** 2


def kernel_transform(m: int) -> NDArray[np.float64]:
    """G, of shape (m + 2, 3).

    Row: 1, a, a^2 over the product of the distances from the point a to the others; infinity last.
    """
    finite = [0.0, 1.0, -1.0] if m == 2 else [0.0, _NEAR, -_NEAR, _FAR, -_FAR]
    rows = [
        [a**k / np.prod([a - other for other in finite if other != a]) for k in range(TAPS)]
        for a in finite
    ]
    return np.array([*rows, [0.0, 0.0, 1.0]])


def block_stride(m: int, inputs: int) -> int:
    """Elements from the weights of one block of 16 output channels to the next.

    An odd number of vectors: a power of two would map all blocks to one set of the cache.
    """
    return (points(m) * inputs | 1) * LANES


def packed_winograd_weights(weights: NDArray[Any], m: int) -> NDArray[np.float32]:
    """(O, I, 3, 3) to flat float32 [O / 16][point][I][16], blocks `block_stride` apart.

    Output channels are padded to 16 with zeros. Transformed in float64.
    """
    outputs, inputs = weights.shape[:2]
    padded = np.zeros((TAPS**2, inputs, -(-outputs // LANES) * LANES))
    padded[:, :, :outputs] = weights.reshape(outputs, inputs, TAPS**2).transpose(2, 1, 0)
    g = kernel_transform(m)
    transformed = np.kron(g, g) @ padded.reshape(TAPS**2, -1)
    by_block = transformed.reshape(points(m) * inputs, -1, LANES).transpose(1, 0, 2)
    packed = np.zeros((len(by_block), block_stride(m, inputs)), np.float32)
    packed[:, : points(m) * inputs * LANES] = by_block.reshape(len(by_block), -1)
    return packed.reshape(-1)


def input_transform(m: int, d: Sequence[Any]) -> list[Any]:
    """B^T d of vectors. Row: the coefficients of the product of x minus the other points."""
    if m == 2:
        return [d[2] - d[0], d[2] + d[1], d[2] - d[1], d[3] - d[1]]
    a, b = _keep(d[4] - splat(2.0) * d[2]), _keep(d[3] - splat(2.0) * d[1])
    c, e = _keep(d[4] - splat(0.5) * d[2]), _keep(d[3] - splat(0.5) * d[1])
    near, far, middle = splat(_NEAR), splat(_FAR), splat(2.5)
    first, last = d[4] + d[0] - middle * d[2], d[5] + d[1] - middle * d[3]
    return [first, a + near * b, a - near * b, c + far * e, c - far * e, last]


def output_transform(m: int, p: Sequence[Any]) -> list[Any]:
    """A^T p of vectors. Row k: power k of the points."""
    a, b = _keep(p[1] + p[2]), _keep(p[1] - p[2])
    if m == 2:
        return [p[0] + a, b + p[3]]
    c, d = _keep(p[3] + p[4]), _keep(p[3] - p[4])
    first, third = (splat(_NEAR**k) * b + splat(_FAR**k) * d for k in (1, 3))
    return [p[0] + a + c, first, splat(0.5) * a + splat(2.0) * c, third + p[5]]


def both_ways(
    transform: Transform, m: int, load: Callable[[int, int], Any]
) -> Iterator[tuple[int, int, Any]]:
    """(row, column, vector) of the transform of a square, along its columns, then its rows."""
    columns = []
    for j in range(m + TAPS - 1):
        loaded = [_keep(load(i, j)) for i in range(m + TAPS - 1)]
        columns.append([_keep(value) for value in transform(m, loaded)])
    for i, row in enumerate(zip(*columns, strict=True)):
        for j, value in enumerate(transform(m, row)):
            yield i, j, value


def _keep(value: Any) -> Any:
    """An expression that is used twice would be written, and computed, twice."""
    [register] = accumulators(1, "float32")
    write(register, value)
    return read(register)
