"""How the process ends: signals, exit status, errors as one line.

Imports nothing slow, because signals are handled only from here on.
"""

import contextlib
import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import NoReturn

from mlperf_benchmark.core.errors import BenchmarkError, Interrupted
from mlperf_benchmark.core.requirements import missing_package
from mlperf_benchmark.core.text import printable

DEBUG = "--debug"
ENDINGS = {signal.SIGINT: (130, "Interrupted"), signal.SIGTERM: (143, "Terminated")}
# Linux sends a bound process (see core.bound_process) one signal for each thread of its killed
# parent, milliseconds apart.
ONE_SIGNAL_SECONDS = 1.0

Main = Callable[[], int]
"""What a command does; its exit status."""


def console_script(
    interrupted: str = "no result was written",
) -> Callable[[Callable[[], Main]], Callable[[], NoReturn]]:
    """Make a command of a function that imports what the command does.

    `interrupted` says what an interruption leaves behind.
    """
    return lambda load: partial(_run, load, interrupted)


def _run(load: Callable[[], Main], interrupted: str) -> NoReturn:
    """Run what `load` imports, and end the process with its exit status.

    With --debug on the command line an error's traceback is printed before its line.

    An error of the error tree becomes one line on stderr. Any failure ends through `os._exit`:
    threads of LoadGen and of the runtimes cannot be stopped, and crash in an orderly exit.
    """

    def end_at_once(number: int, _frame: FrameType | None) -> NoReturn:
        _leave_interrupted(number, interrupted)

    # Names that are no text in the terminal's encoding are written escaped.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # There is nothing to clean up yet, and libraries may swallow what is raised in an import.
    _handle(end_at_once)
    try:
        main = load()
        _handle(_interrupt)
        status = main()
    except BenchmarkError as error:
        _trace()
        _leave(error.exit_status, f"Error: {error}")
    except Interrupted as interruption:
        _leave_interrupted(interruption.number, interruption.leaves or interrupted)
    except OSError as error:
        _trace()
        _leave(1, f"Error: {error}")
    except ModuleNotFoundError as error:
        _trace()
        _leave(1, f"Error: {missing_package(error.name or str(error))}")
    except Exception as error:  # noqa: BLE001 - the last resort is one line, too
        _trace()
        _leave(1, f"Error: {type(error).__name__}: {error} ({DEBUG} shows where).")
    sys.exit(status)


def _handle(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in ENDINGS:
        signal.signal(number, handler)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    _handle(partial(_end, time.monotonic()))
    raise Interrupted(number)


def _end(first: float, number: int, _frame: FrameType | None) -> None:
    """End at once at a second signal, should cleaning up since `first` take long."""
    if time.monotonic() - first > ONE_SIGNAL_SECONDS:
        _leave_interrupted(number, "cleaning up was not finished")


def _leave_interrupted(number: int, leaves: str) -> NoReturn:
    status, what = ENDINGS[signal.Signals(number)]
    _leave(status, f"{what}; {leaves}.")


def _trace() -> None:
    if DEBUG in sys.argv:
        for line in traceback.format_exc().splitlines():
            print(printable(line), file=sys.stderr)  # noqa: T201 - for who asked for it


def _leave(status: int, message: str) -> NoReturn:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    # Messages of runtimes have several lines.
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    print(printable(line), file=sys.stderr, flush=True)  # noqa: T201 - the one line for the user
    os._exit(status)
