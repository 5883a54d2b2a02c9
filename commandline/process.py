"""How the process ends: signals, exit status, errors as one line."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from contracts.errors import BenchmarkError

INTERRUPTED = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Terminated(BaseException):
    """SIGTERM, raised in the main thread so that what is half done is cleared away."""


def run_command(command: Callable[[], int], debug: bool) -> NoReturn:
    """Run `command` and end the process with its exit status.

    An error of the error tree becomes one line on stderr. Any failure ends through `os._exit`:
    threads of LoadGen and of the runtimes cannot be stopped, and crash in an orderly exit.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = command()
    except BenchmarkError as error:
        if debug:
            traceback.print_exc()
        _leave(error.exit_status, f"Error: {error}")
    except KeyboardInterrupt:
        _leave(INTERRUPTED[signal.SIGINT], "Interrupted; no result was written.")
    except Terminated:
        _leave(INTERRUPTED[signal.SIGTERM], "Terminated; no result was written.")
    except OSError as error:
        if debug:
            traceback.print_exc()
        _leave(1, f"Error: {error}")
    except Exception as error:  # noqa: BLE001 - the last resort is one line, too
        if debug:
            traceback.print_exc()
        _leave(1, f"Error: {type(error).__name__}: {error} (--debug shows where).")
    sys.exit(status)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _leave(status: int, message: str) -> NoReturn:
    sys.stdout.flush()
    # Messages of runtimes have several lines.
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the one line for the user
    os._exit(status)
