"""How the process ends: signals, exit status, errors as one line."""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from contracts.errors import BenchmarkError

ENDINGS = {signal.SIGINT: (130, "Interrupted"), signal.SIGTERM: (143, "Terminated")}


class Interrupted(BaseException):
    """A signal, raised in the main thread so that what is half done is cleared away."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def run_command(
    command: Callable[[], int], debug: bool, interrupted: str = "no result was written"
) -> NoReturn:
    """Run `command` and end the process with its exit status.

    `interrupted` says what an interruption leaves behind.

    An error of the error tree becomes one line on stderr. Any failure ends through `os._exit`:
    threads of LoadGen and of the runtimes cannot be stopped, and crash in an orderly exit.
    """
    for number in ENDINGS:
        signal.signal(number, _interrupt)
    try:
        status = command()
    except BenchmarkError as error:
        if debug:
            traceback.print_exc()
        _leave(error.exit_status, f"Error: {error}")
    except Interrupted as interruption:
        status, what = ENDINGS[signal.Signals(interruption.number)]
        _leave(status, f"{what}; {interrupted}.")
    except OSError as error:
        if debug:
            traceback.print_exc()
        _leave(1, f"Error: {error}")
    except Exception as error:  # noqa: BLE001 - the last resort is one line, too
        if debug:
            traceback.print_exc()
        _leave(1, f"Error: {type(error).__name__}: {error} (--debug shows where).")
    sys.exit(status)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    # A second signal ends the process at once, should clearing away take long.
    for other in ENDINGS:
        signal.signal(other, _end)
    raise Interrupted(number)


def _end(number: int, _frame: FrameType | None = None) -> NoReturn:
    status, what = ENDINGS[signal.Signals(number)]
    _leave(status, f"{what}; no result was written.")


def _leave(status: int, message: str) -> NoReturn:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    # Messages of runtimes have several lines.
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the one line for the user
    os._exit(status)
