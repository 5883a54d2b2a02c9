"""Folders for unfinished work, removed at its end, or by the next process if it was killed."""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PART = ".part-"
# As tempfile ends the names that it makes.
ENDING = "[a-z0-9_]{8}"


@contextmanager
def working_folder(parent: Path, prefix: str = PART) -> Iterator[Path]:
    """Yield a new folder in `parent`, whose name begins with `prefix`, and remove it at the end.

    What killed processes left of that prefix is removed first. Raises OSError.
    """
    clear_leftovers(parent, prefix)
    folder, lock = _make(parent, prefix)
    try:
        yield folder
    finally:
        # What cannot be removed now is tried again by the next one.
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def scratch_folder(purpose: str) -> Iterator[Path]:
    """A working folder where the system keeps temporary files."""
    with working_folder(Path(tempfile.gettempdir()), f"mlperf-benchmark-{purpose}-") as folder:
        yield folder


def clear_leftovers(parent: Path, prefix: str = PART) -> None:
    """Remove the working folders of this user that no living process holds the lock of.

    Where the file system has no locks nothing is removed, as nobody can tell.
    """
    pattern = re.compile(re.escape(prefix) + ENDING)
    with contextlib.suppress(OSError):
        for path in [path for path in parent.iterdir() if pattern.fullmatch(path.name)]:
            with contextlib.suppress(OSError):
                _clear(path)


def _clear(path: Path) -> None:
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(lock).st_uid == os.geteuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _make(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        # Until it is locked another process may take it for a leftover.
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)
