"""Files appear whole or not at all: written under a temporary name, then renamed."""

import contextlib
import errno
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlperf_benchmark.core.errors import OutputError
from mlperf_benchmark.core.text import encodable
from mlperf_benchmark.core.working_folder import working_folder

CHUNK_BYTES = 1 << 20
ADVICE = {
    errno.EFBIG: "the file system or a limit does not allow a file of this size",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EEXIST: "a file of that name is in the way",
    errno.EISDIR: "a folder of that name is in the way",
    errno.ENOTEMPTY: "a folder of that name is in the way",
}


@contextmanager
def staged(folder: Path, replaces_folders: bool = False) -> Iterator[Path]:
    """Yield an empty folder inside `folder`; move what is in it into `folder` on success.

    Files of the same name are replaced; folders only with `replaces_folders`, as a whole. Raises
    OutputError where `folder` cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with working_folder(folder) as temporary:
            yield temporary
            # A folder may be in the way of another; nothing else has moved by then.
            entries = sorted(temporary.iterdir(), key=lambda one: (not one.is_dir(), one.name))
            for entry in entries:
                if replaces_folders and entry.is_dir():
                    _replace_folder(entry, folder / entry.name)
                else:
                    # Renamed, as shutil.move would put it into a folder of that name.
                    entry.replace(folder / entry.name)
    except OSError as error:
        advice = ADVICE.get(error.errno or 0, "free some space or choose another folder")
        raise OutputError(
            f"Cannot write to {folder}: {error.strerror or error}; {advice}."
        ) from error


def _replace_folder(source: Path, target: Path) -> None:
    """The old folder is out of the way at once, however long it takes to remove."""
    with working_folder(target.parent) as aside:
        old = aside / target.name
        with contextlib.suppress(FileNotFoundError):
            target.rename(old)
        try:
            source.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8. What a path holds that is none is written escaped, which JSON reads back."""
    path.write_text(encodable(text), encoding="utf-8")


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
