"""Runs another command of ours to its end, and says why it failed."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from signal import Signals

from mlperf_benchmark.core.bound_process import bound

ERROR = "Error: "


def run_child(program: Path, arguments: Sequence[str], log: Path) -> str | None:
    """Run `program` with stderr in `log`; return None, or why it failed. Raises OSError."""
    with log.open("wb") as errors:
        done = subprocess.run(  # noqa: S603 - this interpreter and a program of ours
            bound([sys.executable, str(program), *arguments]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            check=False,
        )
    return reason_of(log, done.returncode) if done.returncode else None


def reason_of(log: Path, status: int) -> str:
    """Why a command of ours failed, by its exit status and what it wrote to stderr."""
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        if line.startswith(ERROR):
            return line.removeprefix(ERROR)
    if status < 0:
        name = Signals(-status).name
        hint = ", perhaps for lack of memory" if name == "SIGKILL" else ""
        return f"the process was ended by {name}{hint}"
    last = f": {lines[-1]}" if lines else ""
    return f"the process ended with status {status}{last}"
