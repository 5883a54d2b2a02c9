"""Files appear whole or not at all: written under a temporary name, then renamed."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlperf_benchmark.core.disk import way_out
from mlperf_benchmark.core.errors import OutputError
from mlperf_benchmark.core.text import encodable
from mlperf_benchmark.core.working_folder import working_folder

CHUNK_BYTES = 1 << 20


@contextmanager
def staged(folder: Path, replaces_folders: bool = False) -> Iterator[Path]:
    """Yield an empty folder inside `folder`; move what is in it into `folder` on success.

    Files of the same name are replaced; folders only with `replaces_folders`, as a whole. Raises
    OutputError where `folder` cannot be written, or another file cannot be read meanwhile.
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
        reason = error.strerror or str(error)
        named = [os.fsdecode(name) for name in (error.filename, error.filename2) if name]
        if named and not any(Path(name).is_relative_to(folder) for name in named):
            raise OutputError(f"{named[0]}: {reason}.") from error
        raise OutputError(f"Cannot write to {folder}: {reason}; {way_out(error)}.") from error


def refuse_unwritable(folder: Path) -> None:
    """Raise OutputError where `staged` could not write, before work that takes long.

    Makes nothing, not even a folder that is missing.
    """
    nearest = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    with staged(nearest):
        pass


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
    """Write UTF-8. Bytes of a path that are not UTF-8 are written escaped; JSON reads them back."""
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


class Hashes:
    """What `files_sha256` gives, found once for the same files while this is kept."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, ...], str] = {}

    def of(self, *paths: Path) -> str:
        if paths not in self._known:
            self._known[paths] = files_sha256(paths)
        return self._known[paths]
