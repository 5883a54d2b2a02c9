"""The weights of a compiled model, each array once for all the libraries that read it."""

import contextlib
import hashlib
import mmap
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import tvm_ffi
from numpy.typing import NDArray

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.tvm_compiler.artifact import WEIGHTS, WeightArray

_ALIGNMENT = 64
"""What the kernels' vector loads take for granted."""

_DAMAGES = (OSError, OverflowError, ValueError, TypeError, KeyError)

_READ = 1 << 20
"""Bytes at a time."""

_HUGE_PAGE = 2 * 1024 * 1024


class WeightsWriter:
    """Writes arrays to `folder`/weights.bin, equal ones once."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / WEIGHTS
        self._file.touch()
        self._known: dict[tuple[str, str], int] = {}
        self.arrays: list[WeightArray] = []

    def add(self, arrays: Iterable[NDArray[Any]]) -> tuple[int, ...]:
        """Where each of `arrays` is in the list of all."""
        with self._file.open("ab") as file:
            return tuple(self._add(file, array) for array in arrays)

    def _add(self, file: Any, array: NDArray[Any]) -> int:
        digest = hashlib.sha256(array.data).hexdigest()
        key = (str(array.dtype), digest)
        if key not in self._known:
            self._known[key] = len(self.arrays)
            file.write(bytes(-file.tell() % _ALIGNMENT))
            self.arrays.append(WeightArray(str(array.dtype), array.size, file.tell(), digest))
            file.write(array.data)
        return self._known[key]


def read_weights(
    path: Path, arrays: tuple[WeightArray, ...], wanted: Collection[int]
) -> dict[int, Any]:
    """The arrays of these numbers out of the compiled model `path`, as TVM tensors.

    Raises ModelError where one is not as it was written.
    """
    missing = [number for number in wanted if not 0 <= number < len(arrays)]
    if missing:
        raise ModelError(f"{path} is damaged: it lacks weights {missing[0]}.")
    tensors = {}
    try:
        memory = _Memory(sum(arrays[number].bytes + _ALIGNMENT for number in wanted))
        with zipfile.ZipFile(path) as archive, archive.open(WEIGHTS) as file:
            for number in sorted(wanted, key=lambda number: arrays[number].offset):
                array = arrays[number]
                place = memory.take(array.bytes)
                file.seek(array.offset)
                if _read(file, place) != array.bytes or _digest(place) != array.sha256:
                    raise ModelError(f"{path} is damaged: weights {number} differ.")
                tensors[number] = tvm_ffi.from_dlpack(place.view(array.dtype))
    except (*_DAMAGES, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is damaged: {error}. Compile the model again.") from error
    return tensors


def arguments(tensors: Iterable[Any]) -> Any:
    """What a compiled `main` takes as its last parameter."""
    return tvm_ffi.convert(list(tensors))


def as_tensors(arrays: Iterable[NDArray[Any]]) -> Any:
    """Weights that were never in a file, as the last parameter of `main`."""
    copies = list(arrays)
    memory = _Memory(sum(array.nbytes + _ALIGNMENT for array in copies))
    tensors = []
    for array in copies:
        place = memory.take(array.nbytes).view(array.dtype)
        place[:] = array.reshape(-1)
        tensors.append(tvm_ffi.from_dlpack(place))
    return arguments(tensors)


class _Memory:
    """One run of huge pages where the system has them: weights are read once an inference, and
    with small pages the processor looks up thousands of addresses for that."""

    def __init__(self, size: int) -> None:
        block = mmap.mmap(-1, size + _HUGE_PAGE)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # of a kernel without them
                block.madvise(mmap.MADV_HUGEPAGE)
        whole = np.frombuffer(block, np.uint8)
        self._left = whole[-whole.ctypes.data % _HUGE_PAGE :]

    def take(self, size: int) -> NDArray[np.uint8]:
        place, self._left = self._left[:size], self._left[size + -size % _ALIGNMENT :]
        return place


def _read(file: IO[bytes], place: NDArray[np.uint8]) -> int:
    """How many bytes of `place` could be filled."""
    done = 0
    while data := file.read(min(_READ, place.size - done)):
        place[done : done + len(data)] = np.frombuffer(data, np.uint8)
        done += len(data)
    return done


def _digest(data: NDArray[np.uint8]) -> str:
    return hashlib.sha256(data.data).hexdigest()
