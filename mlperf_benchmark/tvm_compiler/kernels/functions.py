"""Functions of 16 float32 numbers at once, from additions, multiplications and one division.

The libm calls that TVM makes of them take one number at a time. The largest errors, found over
all of [-20, 20] in steps of 2^-12 against float64: exp 8e-8 and sigmoid 1.5e-7 relative, tanh
2.6e-7 and erf 3.3e-7 absolute.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tvm import tirx

from mlperf_benchmark.tvm_compiler.kernels.vectors import keep, limit, splat
from mlperf_benchmark.tvm_compiler.storage import LANES

_EXP_LIMITS = (-87.3, 88.3)
"""Where 2^n still is a normal number."""

_LN2 = (0.693359375, -2.12194440e-4)
"""In two parts, so that subtracting multiples of it is exact."""

_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
"""Of Cephes' expf: e^r = 1 + r + r^2 P(r) for |r| <= ln(2) / 2."""

_TANH_LIMIT = 7.90531110763549805
_TANH = (
    (
        *(-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08),
        *(1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03),
    ),
    (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03),
)
"""Of Eigen: tanh x = x P(x^2) / Q(x^2)."""

_ERF_LIMIT = 4.0
_ERF = (
    (
        *(-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06),
        *(-5.69250639462346e-05, -7.34990630326855e-04, -2.95459980854025e-03),
        -1.60960333262415e-02,
    ),
    (
        *(-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03),
        *(-7.37332916720468e-03, -1.42647390514189e-02),
    ),
)
"""Of Eigen, in the same form."""


def exp(x: Any) -> Any:
    x = keep(limit(x, *_EXP_LIMITS))
    n = keep(tirx.nearbyint(x * splat(1.44269504088896341)))
    r = keep(x - n * splat(_LN2[0]) - n * splat(_LN2[1]))
    power = (n.astype(f"int32x{LANES}") + splat(127, "int32")) << splat(23, "int32")
    mantissa = _polynomial(_EXP, r) * (r * r) + r + splat(1.0)
    return mantissa * tirx.reinterpret(f"float32x{LANES}", power)


def sigmoid(x: Any) -> Any:
    return splat(1.0) / (splat(1.0) + exp(splat(0.0) - x))


def tanh(x: Any) -> Any:
    return _odd(_TANH, x, _TANH_LIMIT)


def erf(x: Any) -> Any:
    return _odd(_ERF, x, _ERF_LIMIT)


def absolute(x: Any) -> Any:
    return tirx.max(x, splat(0.0) - x)


FUNCTIONS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {"exp": exp, "sigmoid": sigmoid, "tanh": tanh, "erf": erf, "abs": absolute}
)
"""Each gets a vector that `keep` returned."""


def _odd(ratio: tuple[Sequence[float], Sequence[float]], x: Any, end: float) -> Any:
    x = keep(limit(x, -end, end))
    square = keep(x * x)
    above, below = (_polynomial(coefficients, square) for coefficients in ratio)
    return x * above / below


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    """Evaluate a polynomial; the coefficient of the highest power comes first."""
    total = splat(coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + splat(coefficient)
    return total
