"""The weights of a compiled model; libraries share equal arrays, which are stored once."""

import hashlib
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import tvm_ffi
from numpy.typing import NDArray

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.tvm_compiler.artifact import (
    ALIGNMENT,
    DAMAGES,
    WEIGHTS,
    Library,
    WeightArray,
)
from mlperf_benchmark.tvm_compiler.constants import Constant, constant_size
from mlperf_benchmark.tvm_compiler.memory import (
    Memory,
    arguments,
    working_tensors,
)

_DAMAGES = (*DAMAGES, OSError, OverflowError, ValueError, TypeError, KeyError, IndexError)

_READ = 1 << 20
"""Bytes at a time."""


class WeightsWriter:
    """Writes arrays to `folder`/weights.bin, equal ones once."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / WEIGHTS
        self._file.touch()
        self._offsets: dict[str, int] = {}
        self._numbers: dict[WeightArray, int] = {}

    @property
    def arrays(self) -> tuple[WeightArray, ...]:
        return tuple(self._numbers)

    def add(self, constants: Iterable[Constant]) -> tuple[int, ...]:
        """Add `constants` and return their places in `arrays`."""
        with self._file.open("ab") as file:
            return tuple(self._add(file, constant) for constant in constants)

    def _add(self, file: Any, constant: Constant) -> int:
        stored = np.ascontiguousarray(constant.stored)
        digest = hashlib.sha256(stored.data).hexdigest()
        if digest not in self._offsets:
            file.write(bytes(-file.tell() % ALIGNMENT))
            self._offsets[digest] = file.tell()
            file.write(stored.data)
        array = WeightArray(
            dtype=str(stored.dtype),
            shape=stored.shape,
            offset=self._offsets[digest],
            sha256=digest,
            winograd=constant.winograd,
        )
        return self._numbers.setdefault(array, len(self._numbers))


def read_arguments(
    path: Path, arrays: Sequence[WeightArray], libraries: Sequence[Library], threads: int
) -> dict[int, Any]:
    """Return the last parameter of each library's `main` of the compiled model `path`, by batch.

    Libraries share common weights and the working memory: only one runs at a time. Raises
    ModelError if weights have changed since they were written.
    """
    wanted = {number for library in libraries for number in library.weights}
    missing = [number for number in wanted if not 0 <= number < len(arrays)]
    if missing:
        raise ModelError(f"{path} is damaged: it lacks weights {missing[0]}.")
    try:
        working = max(library.working.bytes(threads) for library in libraries)
        sizes = {number: _memory_bytes(arrays[number]) for number in wanted}
        memory = Memory(working + sum(size + ALIGNMENT for size in sizes.values()))
        values = memory.take(working)
        with zipfile.ZipFile(path) as archive, archive.open(WEIGHTS) as file:
            tensors = {}
            for number in sorted(wanted, key=lambda number: arrays[number].offset):
                place = memory.take(sizes[number])
                if not _load(file, arrays[number], place):
                    raise ModelError(f"{path} is damaged: weights {number} differ.")
                tensors[number] = tvm_ffi.from_dlpack(place.view(arrays[number].dtype))
        return {
            library.batch: arguments(
                [tensors[number] for number in library.weights],
                working_tensors(values, library.working, threads),
            )
            for library in libraries
        }
    except MemoryError as error:
        raise ModelError(
            f"{path} cannot be loaded: {error}. Free memory, or give this process more; if no model"
            " takes so much, the file is damaged: compile it again."
        ) from error
    except _DAMAGES as error:
        raise ModelError(f"{path} is damaged: {error}. Compile the model again.") from error


def _memory_bytes(array: WeightArray) -> int:
    return constant_size(array.shape, array.winograd) * np.dtype(array.dtype).itemsize


def _load(file: IO[bytes], array: WeightArray, place: NDArray[np.uint8]) -> bool:
    """Load what kernels read of `array` into `place`; return whether it is intact."""
    stored = np.empty(array.bytes, np.uint8) if array.winograd else place
    file.seek(array.offset)
    if _read(file, stored) != array.bytes or _digest(stored) != array.sha256:
        return False
    if array.winograd:
        weights = stored.view(array.dtype).reshape(array.shape)
        Constant(weights, array.winograd).write(place.view(array.dtype))
    return True


def _read(file: IO[bytes], place: NDArray[np.uint8]) -> int:
    """Return how many bytes of `place` could be read."""
    done = 0
    while data := file.read(min(_READ, place.size - done)):
        place[done : done + len(data)] = np.frombuffer(data, np.uint8)
        done += len(data)
    return done


def _digest(data: NDArray[np.uint8]) -> str:
    return hashlib.sha256(data.data).hexdigest()
