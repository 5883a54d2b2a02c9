"""Preprocessed images on disk, with a checksum for each."""

import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.disk import way_out
from mlperf_benchmark.core.errors import CacheError
from mlperf_benchmark.core.image_format import Images
from mlperf_benchmark.core.locks import lock
from mlperf_benchmark.images.array_file import ArrayFile

_NOT_DONE = 0
_GIGABYTE = 1e9


class ImageStore:
    """`count` images of shape (height, width, 3) in `folder`.

    `images.npy` has the shape (count, height, width, 3), dtype uint8, and `checksums.npy` one
    uint32 a row: the CRC-32 of its bytes, or 0 while it is not done. A row's checksum is written
    after its pixels, so that a process may die at any moment. `about.json`, which holds `about`,
    is written last when the files are made and says that they have their full size.
    """

    def __init__(
        self, folder: Path, count: int, height: int, width: int, about: Mapping[str, object]
    ) -> None:
        self.folder = folder
        self._count = count
        self._image_shape = (height, width, 3)
        self._row_bytes = height * width * 3
        self._about = dict(about)
        self._about_file = folder / "about.json"
        self._images = ArrayFile(folder / "images.npy", (count, height, width, 3), np.uint8)
        self._checksums = ArrayFile(folder / "checksums.npy", (count,), np.uint32)

    @contextmanager
    def lock(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """Keep other processes from writing; calls `on_wait` once when another one does so now.

        The lock file stands beside the folder, so that the folder can be deleted meanwhile.
        """
        with write_errors(self.folder):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            file = self.folder.with_name(f"{self.folder.name}.lock").open("w")
        with file:
            with write_errors(self.folder):
                if not lock(file.fileno(), self.folder):
                    on_wait()
                    lock(file.fileno(), self.folder, wait=True)
            yield

    def exists(self) -> bool:
        """Whether the files were made, whatever became of them."""
        return self._about_file.exists()

    def fault(self) -> str | None:
        """What is wrong with the files, or None when they are sound, if perhaps not all done."""
        try:
            about = json.loads(self._about_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return f"{self._about_file.name} is unreadable"
        if about != self._about:
            return f"{self._about_file.name} describes something else"
        for file in (self._images, self._checksums):
            if not file.is_sound():
                return f"{file.path.name} is damaged"
        return None

    def is_complete(self) -> bool:
        """Whether the files are sound and every row is done."""
        return self.fault() is None and bool((self._read_checksums() != _NOT_DONE).all())

    def create(self, label_list: str) -> None:
        """Make the files anew, with their full size taken on the disk and no row done.

        `label_list` is kept beside them as `val_map.txt`, for people and other tools. Raises
        CacheError when the disk has too little space.
        """
        arrays = (self._images, self._checksums)
        with write_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in (self._about_file, *(array.path for array in arrays)):
                path.unlink(missing_ok=True)
            needed = sum(array.size for array in arrays)
            free = shutil.disk_usage(self.folder).free
            if free < needed:
                raise CacheError(
                    f"The cache {self.folder} needs {needed / _GIGABYTE:.3f} GB and "
                    f"{free / _GIGABYTE:.3f} GB are free. Free space there or choose another "
                    "folder with --cache-dir."
                )
            try:
                for array in arrays:
                    array.allocate()
                (self.folder / "val_map.txt").write_text(label_list, "utf-8", "surrogateescape")
                temporary = self._about_file.with_suffix(".tmp")
                temporary.write_text(json.dumps(self._about, indent=2) + "\n", encoding="utf-8")
                temporary.replace(self._about_file)
            except OSError:
                for array in arrays:
                    array.path.unlink(missing_ok=True)
                raise

    def pending(self) -> list[int]:
        """The rows that are not done, or whose pixels did not reach the disk before a crash."""
        row = memoryview(bytearray(self._row_bytes))
        pending = []
        with read_errors(self.folder), self._images.path.open("rb") as file:
            for index, checksum in enumerate(self._read_checksums().tolist()):
                if checksum != _NOT_DONE:
                    self._images.read(file.fileno(), index, row)
                if checksum == _NOT_DONE or checksum != _checksum(row):
                    pending.append(index)
        return pending

    @contextmanager
    def writer(self) -> Iterator[Callable[[int, Images], None]]:
        """Yields `write(index, pixels)`, which threads may call at once."""
        with (
            write_errors(self.folder),
            self._images.path.open("r+b") as images,
            self._checksums.path.open("r+b") as checksums,
        ):

            def write(index: int, pixels: Images) -> None:
                row = np.ascontiguousarray(pixels)
                checksum = np.uint32(_checksum(row.data)).tobytes()
                with write_errors(self.folder):
                    self._images.write(images.fileno(), index, row.data.cast("B"))
                    self._checksums.write(checksums.fileno(), index, memoryview(checksum))

            yield write

    def read(self, indices: Sequence[int]) -> Images:
        """Rows in the order of `indices`, neighbours in one go, each checked.

        Raises CacheError for a row whose bytes changed since they were written.
        """
        rows: Images = np.empty((len(indices), *self._image_shape), np.uint8)
        target = rows.reshape(-1).data
        checksums = self._read_checksums()
        with read_errors(self.folder), self._images.path.open("rb") as file:
            for start, stop in _runs(indices):
                part = target[start * self._row_bytes : stop * self._row_bytes]
                self._images.read(file.fileno(), indices[start], part)
        for row, index in zip(rows, indices, strict=True):
            if _checksum(row.data) != checksums[index]:
                raise CacheError(_unreadable(self.folder, f"sample {index} is damaged"))
        return rows

    def _read_checksums(self) -> NDArray[np.uint32]:
        checksums = np.empty(self._count, np.uint32)
        with read_errors(self.folder), self._checksums.path.open("rb") as file:
            self._checksums.read(file.fileno(), 0, checksums.data.cast("B"))
        return checksums


@contextmanager
def write_errors(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a CacheError that names the folder."""
    try:
        yield
    except OSError as error:
        raise CacheError(
            f"Cannot write the cache {folder}: {error.strerror or error};"
            f" {way_out(error, '--cache-dir')}. What is done is kept."
        ) from error


@contextmanager
def read_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CacheError(_unreadable(folder, error.strerror or str(error))) from None


def _unreadable(folder: Path, reason: str) -> str:
    return (
        f"Cannot read the cache {folder}: {reason}. Delete that folder; the next run makes it anew."
    )


def _checksum(row: memoryview) -> int:
    """CRC-32, with 1 in place of the value that stands for "not done"."""
    return zlib.crc32(row) or 1


def _runs(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Slices of `indices` that count up by one."""
    start = 0
    for stop in range(1, len(indices) + 1):
        if stop == len(indices) or indices[stop] != indices[stop - 1] + 1:
            yield start, stop
            start = stop
