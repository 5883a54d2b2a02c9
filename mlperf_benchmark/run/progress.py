"""The line that a waiting user watches, on a terminal only, so that it spoils no log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mlperf_benchmark.loadgen.session import Watcher

ERASE = "\r\x1b[K"


@contextmanager
def progress_line(expected_seconds: float) -> Iterator[Watcher | None]:
    """Yield the function that shows progress, to be called once a second; None if stderr is no
    terminal.

    Written by hand, because a live display redraws from a thread of its own, next to a measurement.
    """
    if not sys.stderr.isatty():
        yield None
        return
    start = time.monotonic()

    def show(answered: int) -> None:
        elapsed = time.monotonic() - start
        line = f"{clock(elapsed)} of about {clock(expected_seconds)}, {answered} samples answered"
        sys.stderr.write(ERASE + line)
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write(ERASE)
        sys.stderr.flush()


def clock(seconds: float) -> str:
    """12 s, 3 min 05 s or 2 h 10 min."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
