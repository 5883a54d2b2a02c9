"""What Relax expressions mean to the reader: constants, quantized constants and values."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm.ir import GenericConst

from mlperf_benchmark.tvm_compiler.arrangement import Arranged
from mlperf_benchmark.tvm_compiler.graph import FloatArray, Quantization


@dataclass(frozen=True, eq=False)
class QuantizedConstant:
    """An 8-bit constant without its zero point, to be dequantized with `scales`.

    There is one scale, or one per index of `axis`. `data` is int8, or int16 if subtracting the zero
    point exceeds the range of int8.
    """

    data: NDArray[Any]
    scales: FloatArray
    axis: int

    def real(self) -> FloatArray:
        shape = [1] * self.data.ndim
        if self.data.ndim:
            shape[self.axis] = -1
        return np.asarray(self.data * self.scales.reshape(shape), np.float32)

    def reshape(self, shape: tuple[int, ...]) -> "QuantizedConstant | FloatArray":
        """Reshape; the result is in real numbers if the axis of the scales would be lost."""
        if self._has_one_scale:
            return QuantizedConstant(self.data.reshape(shape), self.scales[:1], 0)
        return self.real().reshape(shape)

    @property
    def _has_one_scale(self) -> bool:
        return bool(np.all(self.scales == self.scales[0]))

    def scales_of(self, axis: int) -> FloatArray | None:
        """Return one scale per index of `axis`, or None if kernels cannot apply it in this way."""
        if self.data.dtype != np.int8:
            return None
        if self._has_one_scale:
            return np.full(self.data.shape[axis], self.scales[0], np.float32)
        return self.scales if self.axis == axis else None


@dataclass(frozen=True)
class Deferred:
    """A computation that is postponed because it is a part of something larger.

    `call` would compute it alone. `origins` are the operators of the model that contributed to it.
    """

    call: Any
    origins: tuple[str, ...] = field(default=(), kw_only=True)


Meaning = str | NDArray[Any] | QuantizedConstant | Arranged | Deferred | tuple[Any, ...]
"""What a Relax variable stands for: a value's name, where its shape is that of the value or (N, C)
for (N, C, 1, 1); a constant; another arrangement of a value; what is not made yet; a tuple."""


def dequantized(data: NDArray[Any], scale: Any, zero: Any, axis: int) -> Meaning:
    axis %= max(data.ndim, 1)
    scales = np.reshape(scale, -1).astype(np.float32)
    shape = [1] * data.ndim
    if data.ndim:
        shape[axis] = -1
    shifted = data.astype(np.int64) - np.reshape(zero, -1).astype(np.int64).reshape(shape)
    if data.dtype not in (np.int8, np.uint8):
        return np.asarray(shifted * scales.reshape(shape), np.float32)
    fits = shifted.size == 0 or (shifted.min() >= -128 and shifted.max() <= 127)
    return QuantizedConstant(shifted.astype(np.int8 if fits else np.int16), scales, axis)


def quantized(real: FloatArray, scale: Any, zero: Any, attributes: Any) -> NDArray[Any]:
    """Return a constant as `relax.quantize` with these attributes stores it."""
    shape = [1] * real.ndim
    if np.size(scale) > 1:
        shape[int(attributes.axis)] = -1
    bounds = np.iinfo(str(attributes.out_dtype))
    stored = np.rint(real / np.reshape(scale, shape)) + np.reshape(zero, shape)
    return np.asarray(np.clip(stored, bounds.min, bounds.max), bounds.dtype)


def quantization_of(scale: Any, zero: Any, call: Any) -> Quantization | None:
    """Return the quantization as uint8, or None if it is not constant or not supported by
    kernels.
    """
    if not isinstance(scale, np.ndarray) or not isinstance(zero, np.ndarray):
        return None
    if zero.dtype not in (np.int8, np.uint8) or np.unique(zero).size != 1:
        return None
    if scale.size > 1 and int(call.attrs.axis) != 1:
        return None
    shift = 128 if zero.dtype == np.int8 else 0
    return Quantization(tuple(scale.reshape(-1).tolist()), int(zero.flat[0]) + shift)


def shape_of(expression: Any) -> tuple[int, ...]:
    return tuple(int(extent) for extent in expression.ty.shape)


def two(numbers: Any) -> tuple[int, int]:
    first, second = (int(number) for number in numbers)
    return first, second


def four(numbers: Any) -> tuple[int, int, int, int]:
    top, left, bottom, right = (int(number) for number in numbers)
    return top, left, bottom, right


def number_of(expression: Any) -> float | None:
    """Return the value of a scalar constant in any of Relax's forms, or None."""
    if isinstance(expression, GenericConst):
        array = expression.value.numpy()
        return float(array.reshape(())) if array.size == 1 else None
    inner = getattr(expression, "value", None)
    inner = getattr(inner, "value", inner)
    return float(inner) if isinstance(inner, (int, float)) else None
