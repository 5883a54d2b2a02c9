"""Multiply-accumulate of one input element, or group of four, with 16 output channels.

float32 takes one input channel at a time, uint8 * int8 takes four. With AVX-512 VNNI or AVX-VNNI
one instruction multiplies and adds them in int32. Without, `pmaddubsw` adds pairs of products in
int16, where two large weights of a sign saturate: it serves weights for which that cannot be.
Other weights are widened to int16 for `pmaddwd`. All of them are exact.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import tirx
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.kernels.vectors import ramp, read, splat, write
from mlperf_benchmark.tvm_compiler.storage import LANES
from mlperf_benchmark.tvm_compiler.target import CpuTarget

_PAIR_LIMIT = 128
"""255 * 128 fits int16: what the weights of a pair with the same sign may add up to."""


@dataclass(frozen=True)
class Registers:
    """The processor's vector registers and how many a tile needs: for the sums of one pixel, for
    the weights of a step (both per block of 16 channels), and for an input element with the
    constants of the arithmetic.
    """

    total: int
    sums: int
    weights: int
    element: int


@dataclass(frozen=True)
class FloatDot:
    """acc += x * w in float32. Weights of a step: 16 numbers."""

    registers: Registers

    kind = "float32"
    group = 1
    accumulator = "float32"
    source = "float32"
    weights = "float32"

    def pack(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Reorder (..., 16, 1) to the order in which a step reads them."""
        return np.ascontiguousarray(weights, dtype=np.float32)

    def load_input(self, buffer: Any, offset: Any) -> Any:
        return tirx.Broadcast(buffer[offset], LANES)

    def load_weights(self, buffer: Any, offset: Any) -> Any:
        return buffer[ramp(offset)]

    def accumulate(self, acc: Any, x: Any, w: Any) -> None:
        write(acc, read(acc) + x * w)


@dataclass(frozen=True)
class Vnni512Dot:
    """`vpdpbusd` on 512-bit registers."""

    registers: Registers = Registers(total=32, sums=1, weights=1, element=1)

    kind = "int8"
    group = 4
    accumulator = "int32"
    source = "uint8"
    weights = "int8"

    def pack(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Reorder (..., 16, 4) to the order in which a step reads them."""
        return np.ascontiguousarray(weights, dtype=np.int8)

    def load_input(self, buffer: Any, offset: Any) -> Any:
        word = tirx.reinterpret("int32", buffer[ramp(offset, 4)])
        return tirx.reinterpret("uint8x64", tirx.Broadcast(word, LANES))

    def load_weights(self, buffer: Any, offset: Any) -> Any:
        return buffer[ramp(offset, 64)]

    def accumulate(self, acc: Any, x: Any, w: Any) -> None:
        write(
            acc,
            tirx.call_llvm_pure_intrin("int32x16", "llvm.x86.avx512.vpdpbusd.512", read(acc), x, w),
        )


@dataclass(frozen=True)
class Vnni256Dot(Vnni512Dot):
    """`vpdpbusd` on 256-bit registers, twice per step."""

    registers: Registers = Registers(total=16, sums=2, weights=2, element=1)

    def load_input(self, buffer: Any, offset: Any) -> Any:
        word = tirx.reinterpret("int32", buffer[ramp(offset, 4)])
        return tirx.reinterpret("uint8x32", tirx.Broadcast(word, LANES // 2))

    def load_weights(self, buffer: Any, offset: Any) -> Any:
        return [buffer[ramp(offset + half * 32, 32)] for half in range(2)]

    def accumulate(self, acc: Any, x: Any, w: Any) -> None:
        name = "llvm.x86.avx512.vpdpbusd.256"
        _by_halves(
            acc, lambda half, old: tirx.call_llvm_pure_intrin("int32x8", name, old, x, w[half])
        )


@dataclass(frozen=True)
class SmallPairsDot(Vnni256Dot):
    """`pmaddubsw`, for weights that `has_small_pairs`."""

    registers: Registers = Registers(total=16, sums=2, weights=2, element=2)

    kind = "int8 in small pairs"

    def accumulate(self, acc: Any, x: Any, w: Any) -> None:
        def add(half: int, old: Any) -> Any:
            pairs = tirx.call_llvm_pure_intrin("int16x16", "llvm.x86.avx2.pmadd.ub.sw", x, w[half])
            return old + _multiply_pairs(pairs, splat(1, "int16"))

        _by_halves(acc, add)


@dataclass(frozen=True)
class WidenedDot(Vnni512Dot):
    """`pmaddwd` on the even bytes of an input element, then on the odd ones."""

    registers: Registers = Registers(total=16, sums=2, weights=4, element=2)

    kind = "int8 widened"

    def pack(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Reorder [16 channels][4] to [even, odd][16 channels][2]."""
        pairs = weights.reshape(*weights.shape[:-1], 2, 2)
        return np.ascontiguousarray(np.moveaxis(pairs, -1, -3), dtype=np.int8)

    def load_input(self, buffer: Any, offset: Any) -> Any:
        word = tirx.reinterpret("int32", buffer[ramp(offset, 4)])
        pairs = tirx.reinterpret("uint16x16", tirx.Broadcast(word, LANES // 2))
        even, odd = pairs & splat(0xFF, "uint16"), pairs >> splat(8, "uint16")
        return [tirx.reinterpret("int16x16", even), tirx.reinterpret("int16x16", odd)]

    def load_weights(self, buffer: Any, offset: Any) -> Any:
        return [
            [buffer[ramp(offset + part * 32 + half * 16)].astype("int16x16") for half in range(2)]
            for part in range(2)
        ]

    def accumulate(self, acc: Any, x: Any, w: Any) -> None:
        def add(half: int, old: Any) -> Any:
            for part in range(2):
                old = old + _multiply_pairs(x[part], w[part][half])
            return old

        _by_halves(acc, add)


Dot = FloatDot | Vnni512Dot


def float_dot(target: CpuTarget) -> Dot:
    if target.avx512:
        return FloatDot(Registers(total=32, sums=1, weights=1, element=1))
    return FloatDot(Registers(total=16, sums=2, weights=2, element=1))


def int8_dot(target: CpuTarget, weights: NDArray[Any]) -> Dot:
    """Return the fastest product that is exact for `weights` (O, I, KH, KW)."""
    if target.vnni == "512":
        return Vnni512Dot()
    if target.vnni == "256":
        return Vnni256Dot()
    return SmallPairsDot() if has_small_pairs(weights) else WidenedDot()


def has_small_pairs(weights: NDArray[Any]) -> bool:
    """Whether no two adjacent input channels have large weights (O, I, KH, KW) of the same sign."""
    even = weights[:, 0::2].astype(np.int32)
    odd = np.zeros_like(even)
    odd[:, : weights.shape[1] // 2] = weights[:, 1::2]
    positive = np.maximum(even, 0) + np.maximum(odd, 0)
    negative = np.minimum(even, 0) + np.minimum(odd, 0)
    return bool(positive.max() <= _PAIR_LIMIT and negative.min() >= -_PAIR_LIMIT)


def _multiply_pairs(x: Any, w: Any) -> Any:
    return tirx.call_llvm_pure_intrin("int32x8", "llvm.x86.avx2.pmadd.wd", x, w)


def _by_halves(acc: Any, update: Any) -> None:
    for half in range(2):
        lanes = ramp(half * 8, 8)
        tir.buffer_store(acc, update(half, acc[lanes]), [lanes])
