"""Vectors of 16 channels: reading, writing and converting them, and keeping them in registers."""

from collections.abc import Sequence
from typing import Any

from tvm import tirx
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.storage import LANES


def ramp(offset: Any, lanes: int = LANES) -> Any:
    return tirx.Ramp(offset, 1, lanes)


def splat(value: Any, dtype: str = "float32") -> Any:
    """Return a vector that repeats one number of Python or TIR."""
    scalar = tirx.const(value, dtype) if isinstance(value, (int, float)) else value
    return tir.broadcast(scalar, LANES)


def accumulators(count: int, dtype: str) -> list[Any]:
    """Return `count` buffers of one vector each: small enough that TVM leaves them on the stack,
    and separate so that LLVM promotes each to a register.
    """
    return [tir.alloc_buffer((LANES,), dtype, scope="global") for _ in range(count)]


def zeros(count: int, dtype: str = "float32") -> list[Any]:
    """Return accumulators that hold zeros."""
    accs = accumulators(count, dtype)
    for acc in accs:
        write(acc, splat(0, dtype))
    return accs


def read(accumulator: Any) -> Any:
    return accumulator[ramp(0)]


def write(accumulator: Any, value: Any) -> None:
    tir.buffer_store(accumulator, value, [ramp(0)])


def keep(vector: Any) -> Any:
    """Return a float32 vector, computed only once however often it is read."""
    [register] = accumulators(1, "float32")
    write(register, vector)
    return read(register)


def to_float(vector: Any) -> Any:
    if str(vector.ty).startswith("uint8"):
        vector = vector.astype("int32x16")
    return vector.astype("float32x16") if str(vector.ty).startswith("int32") else vector


def rounded_bytes(vector: Any) -> Any:
    """Round numbers from 0 to 255 to bytes. Adding 1.5 * 2^23, where float32 has only integers,
    rounds half to even into the lowest byte, which is faster than rounding and converting.
    """
    return tirx.reinterpret("int32x16", vector + splat(1.5 * 2**23)).astype("uint8x16")


PACKED = 4
"""Vectors of 16 bytes that fill a register of AVX-512."""


def packed_bytes(vectors: Sequence[Any], low: int, high: int) -> Any:
    """Round two to four vectors to integers from `low` to `high`, and join them to one of bytes.

    Packing saturates, so that a lower limit of 0 needs no instruction. The upper one keeps numbers
    within int32: converting what is outside gives the most negative integer.
    """
    least = float(low) if low else float("-inf")
    integers = [_rounded(limit(vector, least, float(high))) for vector in vectors]
    last = len(vectors) - 1
    pairs = [
        _pack("int16x32", "packssdw", integers[first], integers[min(first + 1, last)])
        for first in range(0, len(vectors), 2)
    ]
    # Packing works within each quarter of a register: words alternate between the vectors.
    words = tirx.reinterpret("int32x16", _pack("uint8x64", "packuswb", pairs[0], pairs[-1]))
    order = [PACKED * part + number for number in range(len(vectors)) for part in range(4)]
    return tirx.reinterpret(f"uint8x{LANES * len(vectors)}", tirx.Shuffle([words], order))


def _rounded(vector: Any) -> Any:
    """Round half to even, as int32. The last argument tells LLVM to take the mode that is set."""
    return tirx.call_llvm_pure_intrin(
        "int32x16",
        "llvm.x86.avx512.mask.cvtps2dq.512",
        vector,
        splat(0, "int32"),
        tirx.const(-1, "int16"),
        tirx.const(4, "int32"),
    )


def _pack(dtype: str, instruction: str, first: Any, second: Any) -> Any:
    return tirx.call_llvm_pure_intrin(dtype, f"llvm.x86.avx512.{instruction}.512", first, second)


def limit(vector: Any, low: float, high: float) -> Any:
    if low != float("-inf"):
        vector = tirx.max(vector, splat(float(low)))
    if high != float("inf"):
        vector = tirx.min(vector, splat(float(high)))
    return vector


CACHE_LINE = 64
"""Bytes."""

FIRST_LEVEL, SECOND_LEVEL = 3, 2
"""LLVM's numbers of caches."""


def prefetch(buffer: Any, offset: Any, level: int = SECOND_LEVEL) -> None:
    """Prefetch a cache line of `buffer` that will be read soon; it may lie past the end."""
    read_access, locality, data = (tirx.const(number, "int32") for number in (0, level, 1))
    address = tirx.address_of(buffer[offset])
    arguments = (address, read_access, locality, data)
    tir.evaluate(tirx.call_llvm_intrin("void", "llvm.prefetch", *arguments))
