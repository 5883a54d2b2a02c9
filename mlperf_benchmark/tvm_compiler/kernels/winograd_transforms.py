"""The arithmetic of Winograd's convolutions F(2x2, 3x3) and F(4x4, 3x3): y = A^T [G g . B^T d] A.

F(m x m) makes m x m outputs out of (m + 2)^2 inputs with one multiplication for each of these
(m + 2)^2 points, where a direct convolution takes 9 for each output: 2.25 and 4 times as many.
Polynomials are evaluated at 0, 1, -1 and infinity for m = 2; at 0, +-sqrt(1/2), +-sqrt(2) and
infinity for m = 4, which is three to five times as exact as the usual 0, +-1, +-2 and as quick
(largest errors are in the README of the compiler).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mlperf_benchmark.tvm_compiler.kernels.vectors import keep, splat
from mlperf_benchmark.tvm_compiler.winograd_weights import FAR, NEAR, TAPS

Transform = Callable[[int, Sequence[Any]], list[Any]]


def input_transform(m: int, d: Sequence[Any]) -> list[Any]:
    """Return B^T d of vectors. A row holds the coefficients of the product of x minus the other
    points.
    """
    if m == 2:
        return [d[2] - d[0], d[2] + d[1], d[2] - d[1], d[3] - d[1]]
    a, b = keep(d[4] - splat(2.0) * d[2]), keep(d[3] - splat(2.0) * d[1])
    c, e = keep(d[4] - splat(0.5) * d[2]), keep(d[3] - splat(0.5) * d[1])
    near, far, middle = splat(NEAR), splat(FAR), splat(2.5)
    first, last = d[4] + d[0] - middle * d[2], d[5] + d[1] - middle * d[3]
    return [first, a + near * b, a - near * b, c + far * e, c - far * e, last]


def output_transform(m: int, p: Sequence[Any]) -> list[Any]:
    """Return A^T p of vectors. Row k holds the points to the power k."""
    a, b = keep(p[1] + p[2]), keep(p[1] - p[2])
    if m == 2:
        return [p[0] + a, b + p[3]]
    c, d = keep(p[3] + p[4]), keep(p[3] - p[4])
    first, third = (splat(NEAR**k) * b + splat(FAR**k) * d for k in (1, 3))
    return [p[0] + a + c, first, splat(0.5) * a + splat(2.0) * c, third + p[5]]


def both_ways(
    transform: Transform, m: int, load: Callable[[int, int], Any]
) -> Iterator[tuple[int, int, Any]]:
    """Yield (row, column, vector) of a square transformed along its columns and then its rows."""
    columns = []
    for j in range(m + TAPS - 1):
        loaded = [keep(load(i, j)) for i in range(m + TAPS - 1)]
        columns.append([keep(value) for value in transform(m, loaded)])
    for i, row in enumerate(zip(*columns, strict=True)):
        for j, value in enumerate(transform(m, row)):
            yield i, j, value
