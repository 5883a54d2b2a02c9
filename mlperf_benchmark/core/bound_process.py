"""Starts programs that end with this one, even if it is killed.

Linux sends SIGTERM to a process whose parent's thread ends (prctl(2), PR_SET_PDEATHSIG). This file,
run as a script, asks for that between fork and exec: Python code that runs there in a forked copy
of a program with threads (subprocess's preexec_fn) may hang.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1


def bound(command: Sequence[str]) -> list[str]:
    """`command`, to be started by the main thread of this process and to end with it."""
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *command]


def _become(parent: int, command: list[str]) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # The parent ended before it could be asked for.
        sys.exit(128 + signal.SIGTERM)
    os.execvp(command[0], command)  # noqa: S606 - the program that was to be started


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
