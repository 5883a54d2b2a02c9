"""The output folder: a result appears in it whole, or not at all.

LoadGen writes into `.incomplete` inside it. When the run is over its files move up and
results.json follows last, so a folder with a results.json holds a finished run.
"""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlperf_benchmark.core.disk import way_out
from mlperf_benchmark.core.errors import OutputError, RunError
from mlperf_benchmark.core.files import write_text
from mlperf_benchmark.core.locks import lock
from mlperf_benchmark.core.output_names import ANSWERS, RESULT
from mlperf_benchmark.loadgen.log_files import ACCURACY_LOG, DETAIL, FURTHER_TEST, SUMMARY, TRACE
from mlperf_benchmark.run.answers import Answers
from mlperf_benchmark.run.result import Result

LOADGEN_FILES = (SUMMARY, DETAIL, ACCURACY_LOG)
INCOMPLETE = ".incomplete"
FULL_BYTES = 16 << 10
WAIT_SECONDS = 0.1
REMOVALS = 10


class OutputFolder:
    """Life cycle: `open`, write into `work`, then `publish`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work = path / INCOMPLETE
        self._inode: int | None = None

    @property
    def is_published(self) -> bool:
        """Whether the result that lies here is the one of `publish`."""
        target = self.path / RESULT
        return target.exists() and target.stat().st_ino == self._inode

    @contextmanager
    def open(self, overwrite: bool) -> Iterator[None]:
        """Make `work`, and remove it at the end, whatever happens.

        Raises OutputError for a folder that cannot be written or holds a result already.
        """
        result = self.path / RESULT
        try:
            if result.exists() and not overwrite:
                raise OutputError(
                    f"{self.path} holds a result already. Choose another --output, or replace it "
                    f"with --overwrite."
                )
            made = [path for path in (self.path, *self.path.parents) if not path.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise _unusable(self.path, error) from error
        try:
            self._make_work(descriptor)
            try:
                yield
            except RunError as error:
                # LoadGen does not check what it writes.
                if shutil.disk_usage(self.work).free < FULL_BYTES:
                    raise OutputError(
                        f"The disk that {self.path} is on is full. Free space there or choose "
                        f"another --output."
                    ) from error
                raise
            finally:
                _remove(self.work)
        finally:
            os.close(descriptor)
            for folder in made:
                # Nothing is left of a run that came to nothing.
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def _make_work(self, descriptor: int) -> None:
        try:
            if not lock(descriptor, self.path):
                raise OutputError(
                    f"Another run is writing to {self.path}. Choose another --output."
                )
            # What a killed run may have left.
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir()
        except OSError as error:
            raise _unusable(self.path, error) from error

    def publish(self, result: Result, answers: Answers | None = None) -> Path:
        """Move LoadGen's logs up, write `answers` and results.json. Returns its path."""
        target = self.path / RESULT
        temporary = self.work / RESULT
        try:
            write_text(temporary, result.to_json())
            self._inode = temporary.stat().st_ino
            if answers is not None:
                answers.write(self.work / ANSWERS)
            target.unlink(missing_ok=True)
            # Those of the run that is replaced.
            (self.path / ANSWERS).unlink(missing_ok=True)
            if answers is not None:
                (self.work / ANSWERS).replace(self.path / ANSWERS)
            for folder in self._further_tests():
                # The trace is switched off, but LoadGen makes its file all the same.
                (folder / TRACE).unlink(missing_ok=True)
            for old in self.path.glob(f"{FURTHER_TEST}[0-9]*"):
                shutil.rmtree(old)
            for name in (*LOADGEN_FILES, *(path.name for path in self._further_tests())):
                (self.work / name).replace(self.path / name)
            temporary.replace(target)
        except OSError as error:
            raise _unusable(self.path, error) from error
        return target

    def test_folders(self, count: int) -> list[Path]:
        """The folder that each test of a run logs to: `work` for the first."""
        further = [self.work / f"{FURTHER_TEST}{number}" for number in range(2, count + 1)]
        for folder in further:
            folder.mkdir()
        return [self.work, *further]

    def _further_tests(self) -> list[Path]:
        return sorted(self.work.glob(f"{FURTHER_TEST}[0-9]*"))


def wait_until_free(path: Path, seconds: float) -> None:
    """Wait until no run writes to the output folder `path` any more.

    A run whose comparison was killed takes a moment to end. Raises OutputError if it does not.
    """
    end = time.monotonic() + seconds
    lock = os.open(path, os.O_RDONLY)
    try:
        while _is_locked(lock):
            if time.monotonic() > end:
                raise OutputError(
                    f"An earlier run is still writing to {path}. Wait for its end, or choose "
                    "another --output."
                )
            time.sleep(WAIT_SECONDS)
    finally:
        os.close(lock)


def _remove(folder: Path) -> None:
    """Remove it although LoadGen's thread, which nothing stops, may be making its files there."""
    for _ in range(REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(WAIT_SECONDS)


def _is_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # Without locks nobody can tell.
        pass
    return False


def _unusable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"Cannot write to the output folder {path}: {error.strerror or error};"
        f" {way_out(error, '--output')}."
    )
