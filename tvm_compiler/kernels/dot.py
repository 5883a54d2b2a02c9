"""Multiply-accumulate of one input element, or group of four, with 16 output channels.

float32 takes one input channel at a time. uint8 * int8 takes four: with AVX-512 VNNI or
AVX-VNNI one instruction multiplies and adds them exactly in int32; without, the bytes are
widened to int16 pairs for `pmaddwd`, which is exact as well (`pmaddubsw` would saturate).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import tirx
from tvm.tirx.script import builder as tir

from tvm_compiler.kernels.emit import ramp, read, write
from tvm_compiler.storage import LANES


class FloatDot:
    """acc += x * w in float32. Weights of a step: 16 numbers."""

    group = 1
    accumulator = "float32"
    source = "float32"
    weights = "float32"

    def pack(self, weights: NDArray[Any]) -> NDArray[Any]:
        """(..., 16, 1) to the order in which a step reads them."""
        return np.ascontiguousarray(weights, dtype=np.float32)

    def load_input(self, buffer: Any, offset: Any) -> Any:
        return tirx.Broadcast(buffer[offset], LANES)

    def load_weights(self, buffer: Any, offset: Any) -> Any:
        return buffer[ramp(offset)]

    def accumulate(self, acc: Any, x: Any, w: Any) -> None:
        write(acc, read(acc) + x * w)


class Vnni512Dot:
    """`vpdpbusd` on 512-bit registers."""

    group = 4
    accumulator = "int32"
    source = "uint8"
    weights = "int8"

    def pack(self, weights: NDArray[Any]) -> NDArray[Any]:
        """(..., 16, 4) to the order in which a step reads them."""
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


class Vnni256Dot(Vnni512Dot):
    """`vpdpbusd` on 256-bit registers, twice per step."""

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


class Avx2Dot(Vnni512Dot):
    """Bytes widened to int16 pairs, `vpmaddwd`."""

    def pack(self, weights: NDArray[Any]) -> NDArray[Any]:
        """[16 channels][4] to [2 pairs][16 channels][2]."""
        pairs = weights.reshape(*weights.shape[:-1], 2, 2)
        return np.ascontiguousarray(np.moveaxis(pairs, -2, -3), dtype=np.int8)

    def load_input(self, buffer: Any, offset: Any) -> Any:
        pairs = (
            tirx.reinterpret("uint16", buffer[ramp(offset + 2 * pair, 2)]) for pair in range(2)
        )
        return [
            tirx.reinterpret("uint8x16", tirx.Broadcast(pair, 8)).astype("int16x16")
            for pair in pairs
        ]

    def load_weights(self, buffer: Any, offset: Any) -> Any:
        return [
            [buffer[ramp(offset + pair * 32 + half * 16)].astype("int16x16") for half in range(2)]
            for pair in range(2)
        ]

    def accumulate(self, acc: Any, x: Any, w: Any) -> None:
        def add(half: int, old: Any) -> Any:
            for pair in range(2):
                old = old + tirx.call_llvm_pure_intrin(
                    "int32x8", "llvm.x86.avx2.pmadd.wd", x[pair], w[pair][half]
                )
            return old

        _by_halves(acc, add)


Dot = FloatDot | Vnni512Dot


def _by_halves(acc: Any, update: Any) -> None:
    for half in range(2):
        lanes = ramp(half * 8, 8)
        tir.buffer_store(acc, update(half, acc[lanes]), [lanes])
