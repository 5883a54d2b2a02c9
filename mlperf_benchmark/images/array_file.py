"""A `.npy` file whose rows are read and written in place."""

import io
import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike


class ArrayFile:
    """An array of `shape` in `path`, in C order; numpy.load and its memory map read it too.

    Rows are read and written by ordinary calls and not through a memory map: a full or failing
    disk then is an OSError instead of a SIGBUS, and the pages of the file do not count as memory
    of the process. The methods on descriptors may be called from threads at once.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.path = path
        self._rows = shape[0]
        self._row_bytes = math.prod(shape[1:]) * np.dtype(dtype).itemsize
        buffer = io.BytesIO()
        description = np.lib.format.dtype_to_descr(np.dtype(dtype))
        np.lib.format.write_array_header_1_0(
            buffer, {"descr": description, "fortran_order": False, "shape": shape}
        )
        self._header = buffer.getvalue()

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self._header) + self._rows * self._row_bytes

    def allocate(self) -> None:
        """Make the file anew, all zeros, with its space taken on the disk."""
        with self.path.open("wb") as file:
            file.write(self._header)
            file.flush()
            os.posix_fallocate(file.fileno(), 0, self.size)

    def is_sound(self) -> bool:
        """Whether the file is there with the right header and size."""
        try:
            with self.path.open("rb") as file:
                return (
                    file.read(len(self._header)) == self._header
                    and file.seek(0, os.SEEK_END) == self.size
                )
        except OSError:
            return False

    def read(self, descriptor: int, first: int, target: memoryview) -> None:
        """Fill `target`, bytes of whole rows, from row `first` on."""
        offset = self._offset(first)
        while target:
            done = os.preadv(descriptor, [target], offset)
            if not done:
                raise OSError(0, f"{self.path.name} ends early")
            target, offset = target[done:], offset + done

    def write(self, descriptor: int, index: int, row: memoryview) -> None:
        """Write the bytes of one row."""
        if len(row) != self._row_bytes:
            raise ValueError(f"{len(row)} bytes for a row of {self._row_bytes}")
        offset = self._offset(index)
        while row:
            done = os.pwrite(descriptor, row, offset)
            row, offset = row[done:], offset + done

    def _offset(self, index: int) -> int:
        if not 0 <= index < self._rows:
            raise IndexError(f"row {index} of {self._rows}")
        return len(self._header) + index * self._row_bytes
