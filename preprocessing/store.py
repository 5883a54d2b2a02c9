"""Preprocessed images on disk: one uint8 array, with a checksum for each row."""

import fcntl
import io
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from contracts.errors import CacheError
from contracts.image import Images

_NOT_DONE = 0
_GIGABYTE = 1e9


@contextmanager
def cache_errors(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a CacheError that names the folder."""
    try:
        yield
    except OSError as error:
        raise CacheError(
            f"Cannot use the cache {folder}: {error.strerror}. Free space there or choose another "
            "folder with --cache-dir; what is done is kept."
        ) from None


class ImageStore:
    """`count` images of shape (height, width, 3) in `folder`.

    `images.npy` has the shape (count, height, width, 3), dtype uint8, and `checksums.npy` one
    uint32 a row: the CRC-32 of its bytes, or 0 while it is not done. A row's checksum is written
    after its pixels, so that a process may die at any moment. `about.json`, which holds `about`,
    is written last when the files are made and says that they have their full size.

    The files are read and written by ordinary calls, not through a memory map: a full or failing
    disk then is an error to report instead of a SIGBUS, and pages of the file do not count as
    memory of the process.
    """

    def __init__(
        self, folder: Path, count: int, height: int, width: int, about: Mapping[str, object]
    ) -> None:
        self.folder = folder
        self._shape = (count, height, width, 3)
        self._about = dict(about)
        self._header = _npy_header(self._shape, np.uint8)
        self._checksum_header = _npy_header((count,), np.uint32)
        self._row_bytes = height * width * 3
        self._images = folder / "images.npy"
        self._checksums = folder / "checksums.npy"
        self._about_file = folder / "about.json"

    @contextmanager
    def lock(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """Keep other processes from writing; calls `on_wait` once when another one does so now.

        The lock file stands beside the folder, so that the folder can be deleted meanwhile.
        """
        with cache_errors(self.folder):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            file = self.folder.with_name(f"{self.folder.name}.lock").open("w")
        with file:
            with cache_errors(self.folder):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    on_wait()
                    fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def fault(self) -> str | None:
        """What is wrong with the files, or None when they are sound, if perhaps not all done.

        Raises FileNotFoundError where nothing was ever made.
        """
        try:
            about = json.loads(self._about_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise
        except (OSError, ValueError):
            return f"{self._about_file.name} is unreadable"
        if about != self._about:
            return f"{self._about_file.name} describes something else"
        for file, header, size in (
            (self._images, self._header, self._shape[0] * self._row_bytes),
            (self._checksums, self._checksum_header, self._shape[0] * 4),
        ):
            try:
                with file.open("rb") as opened:
                    sound = opened.read(len(header)) == header
                    sound = sound and opened.seek(0, os.SEEK_END) == len(header) + size
            except OSError:
                sound = False
            if not sound:
                return f"{file.name} is damaged"
        return None

    def is_complete(self) -> bool:
        """Whether the files are sound and every row is done."""
        try:
            return self.fault() is None and bool((self._read_checksums() != _NOT_DONE).all())
        except FileNotFoundError:
            return False

    def create(self, label_list: str) -> None:
        """Make the files anew, with their full size taken on the disk and no row done.

        `label_list` is kept beside them as `val_map.txt`, for people and other tools. Raises CacheError when the disk has too little space.
        """
        with cache_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for file in (self._about_file, self._images, self._checksums):
                file.unlink(missing_ok=True)
            needed = self._shape[0] * (self._row_bytes + 4)
            free = shutil.disk_usage(self.folder).free
            if free < needed:
                raise CacheError(
                    f"The cache {self.folder} needs {needed / _GIGABYTE:.2f} GB and "
                    f"{free / _GIGABYTE:.2f} GB are free. Free space there or choose another "
                    "folder with --cache-dir."
                )
            try:
                _allocate(self._images, self._header, self._shape[0] * self._row_bytes)
                _allocate(self._checksums, self._checksum_header, self._shape[0] * 4)
                (self.folder / "val_map.txt").write_text(label_list, "utf-8", "surrogateescape")
                temporary = self._about_file.with_suffix(".tmp")
                temporary.write_text(json.dumps(self._about, indent=2) + "\n", encoding="utf-8")
                temporary.replace(self._about_file)
            except OSError:
                self._images.unlink(missing_ok=True)
                self._checksums.unlink(missing_ok=True)
                raise

    def pending(self) -> list[int]:
        """The rows that are not done, or whose pixels did not reach the disk before a crash."""
        checksums = self._read_checksums()
        pending = []
        row = bytearray(self._row_bytes)
        with cache_errors(self.folder), self._images.open("rb", buffering=0) as file:
            for index, checksum in enumerate(checksums.tolist()):
                if checksum != _NOT_DONE:
                    file.seek(self._offset(index))
                    _read_fully(file, memoryview(row))
                if checksum == _NOT_DONE or checksum != _checksum(row):
                    pending.append(index)
        return pending

    @contextmanager
    def writer(self) -> Iterator[Callable[[int, Images], None]]:
        """Yields `write(index, pixels)`, which threads may call at once."""
        with (
            cache_errors(self.folder),
            self._images.open("r+b", buffering=0) as images,
            self._checksums.open("r+b", buffering=0) as checksums,
        ):

            def write(index: int, pixels: Images) -> None:
                row = np.ascontiguousarray(pixels)
                if row.shape != self._shape[1:] or row.dtype != np.uint8:
                    raise ValueError(f"row of shape {row.shape} and type {row.dtype}")
                with cache_errors(self.folder):
                    _write_fully(images.fileno(), row.data.cast("B"), self._offset(index))
                    checksum = np.uint32(_checksum(row.data)).tobytes()
                    offset = len(self._checksum_header) + 4 * index
                    _write_fully(checksums.fileno(), memoryview(checksum), offset)

            yield write

    def read(self, indices: Sequence[int]) -> Images:
        """Rows in the order of `indices`, neighbours in one go, each checked.

        Raises CacheError for a row whose bytes changed since they were written.
        """
        checksums = self._read_checksums()
        rows: Images = np.empty((len(indices), *self._shape[1:]), np.uint8)
        target = rows.reshape(-1).data
        with cache_errors(self.folder), self._images.open("rb", buffering=0) as file:
            for start, stop in _runs(indices):
                file.seek(self._offset(indices[start]))
                _read_fully(file, target[start * self._row_bytes : stop * self._row_bytes])
        for row, index in zip(rows, indices, strict=True):
            if _checksum(row.data) != checksums[index]:
                raise CacheError(
                    f"Sample {index} in the cache {self.folder} is damaged. Delete that folder; "
                    "the next run makes it anew."
                )
        return rows

    def _offset(self, index: int) -> int:
        if not 0 <= index < self._shape[0]:
            raise IndexError(f"sample {index} of {self._shape[0]}")
        return len(self._header) + index * self._row_bytes

    def _read_checksums(self) -> NDArray[np.uint32]:
        with cache_errors(self.folder):
            return np.fromfile(self._checksums, np.uint32, offset=len(self._checksum_header))


def _npy_header(shape: tuple[int, ...], dtype: DTypeLike) -> bytes:
    buffer = io.BytesIO()
    description = np.lib.format.dtype_to_descr(np.dtype(dtype))
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": description, "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue()


def _allocate(file: Path, header: bytes, size: int) -> None:
    with file.open("wb") as opened:
        opened.write(header)
        opened.flush()
        os.posix_fallocate(opened.fileno(), 0, len(header) + size)


def _checksum(row: bytearray | memoryview) -> int:
    """CRC-32, with 1 in place of the value that stands for "not done"."""
    return zlib.crc32(row) or 1


def _runs(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Slices of `indices` that count up by one."""
    start = 0
    for stop in range(1, len(indices) + 1):
        if stop == len(indices) or indices[stop] != indices[stop - 1] + 1:
            yield start, stop
            start = stop


def _read_fully(file: io.FileIO, target: memoryview) -> None:
    while target:
        done = file.readinto(target)
        if not done:
            raise OSError(0, "the file ends early")
        target = target[done:]


def _write_fully(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        done = os.pwrite(descriptor, data, offset)
        data, offset = data[done:], offset + done
