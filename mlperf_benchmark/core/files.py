"""Files appear whole or not at all: written under a temporary name, then renamed."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mlperf_benchmark.core.disk import way_out
from mlperf_benchmark.core.errors import OutputError

CHUNK_BYTES = 1 << 20


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield an empty folder inside `folder`; move its files into `folder` on success.

    Files of the same name are replaced. Raises OutputError where `folder` cannot be written, or
    another file cannot be read meanwhile.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".part-") as temporary:
            yield Path(temporary)
            for file in sorted(Path(temporary).iterdir()):
                shutil.move(file, folder / file.name)
    except OSError as error:
        reason = error.strerror or str(error)
        named = [os.fsdecode(name) for name in (error.filename, error.filename2) if name]
        if named and not any(Path(name).is_relative_to(folder) for name in named):
            raise OutputError(f"{named[0]}: {reason}.") from error
        raise OutputError(f"Cannot write to {folder}: {reason}; {way_out(error)}.") from error


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's content."""
    return files_sha256((path,))


def files_sha256(paths: Sequence[Path]) -> str:
    """Hex sha256 of the files' contents, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
