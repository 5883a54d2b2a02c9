"""The memory of a compiled model: its weights, and the values between its layers."""

import contextlib
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
import tvm_ffi
from numpy.typing import NDArray

from mlperf_benchmark.tvm_compiler.artifact import ALIGNMENT, WorkingMemory
from mlperf_benchmark.tvm_compiler.constants import Constant

_HUGE_PAGE = 2 * 1024 * 1024


class Memory:
    """One block of memory, in huge pages if the system has them. Raises MemoryError.

    With small pages the processor would look up thousands of addresses in an inference, and in each
    process it would be chance which values share the sets of a cache.
    """

    def __init__(self, size: int) -> None:
        # Shared memory, the default, has no huge pages on most systems.
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        try:
            block = mmap.mmap(-1, size + _HUGE_PAGE, flags=flags)
        except OSError as error:
            raise MemoryError(f"the system gives no {size / 1e6:.0f} MB of memory") from error
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # of a kernel without them
                block.madvise(mmap.MADV_HUGEPAGE)
        whole = np.frombuffer(block, np.uint8)
        self._left = whole[-whole.ctypes.data % _HUGE_PAGE :]

    def take(self, size: int) -> NDArray[np.uint8]:
        place, self._left = self._left[:size], self._left[size + -size % ALIGNMENT :]
        return place


def working_tensors(memory: NDArray[np.uint8], working: WorkingMemory, threads: int) -> list[Any]:
    """Return what a compiled `main` takes after its weights: places in `memory`, and the number of
    threads. Raises ValueError if a place is outside of it.
    """
    if any(not 0 <= b.offset <= memory.size - b.bytes for b in working.buffers):
        raise ValueError("a value lies outside of the working memory")
    places = [memory[b.offset : b.offset + b.bytes].view(b.dtype) for b in working.buffers]
    threaded = memory[working.scratch_offset : working.bytes(threads)].view(np.float32)
    places += [threaded[:size] for size in working.scratch]
    return [tvm_ffi.from_dlpack(array) for array in (*places, np.array([threads], np.int32))]


def arguments(weights: Sequence[Any], working: Sequence[Any]) -> Any:
    """Return the last parameter of a compiled `main`, made from tensors."""
    return tvm_ffi.convert([*weights, *working])


def in_memory(weights: Sequence[Constant], working: WorkingMemory, threads: int) -> Any:
    """Return the last parameter of `main` for weights that are not in a file."""
    sizes = [constant.size * constant.stored.itemsize for constant in weights]
    memory = Memory(working.bytes(threads) + sum(size + ALIGNMENT for size in sizes))
    values = memory.take(working.bytes(threads))
    tensors = []
    for constant, size in zip(weights, sizes, strict=True):
        place = memory.take(size).view(constant.stored.dtype)
        constant.write(place)
        tensors.append(tvm_ffi.from_dlpack(place))
    return arguments(tensors, working_tensors(values, working, threads))
