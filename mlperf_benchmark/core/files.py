"""Files appear whole or not at all: written under a temporary name, then renamed."""

import errno
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mlperf_benchmark.core.errors import OutputError
from mlperf_benchmark.core.text import printable

CHUNK_BYTES = 1 << 20
ADVICE = {
    errno.EFBIG: "the file system or a limit does not allow a file of this size",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EEXIST: "a file of that name is in the way",
}


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield an empty folder inside `folder`; move its files into `folder` on success.

    Files of the same name are replaced. Raises OutputError where `folder` cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".part-") as temporary:
            yield Path(temporary)
            for file in sorted(Path(temporary).iterdir()):
                shutil.move(file, folder / file.name)
    except OSError as error:
        advice = ADVICE.get(error.errno or 0, "free some space or choose another folder")
        raise OutputError(
            f"Cannot write to {folder}: {error.strerror or error}; {advice}."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8. What a path holds that is none is written escaped, which JSON reads back."""
    path.write_text(printable(text), encoding="utf-8")


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
