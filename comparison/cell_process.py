"""Runs main.py for one cell, in a process of its own."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from comparison.noise import Noise, NoiseWatch

SAMPLE_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
# Finished, VALID or not.
FINISHED = (0, 3)
ERROR = "Error: "


@dataclass(frozen=True)
class CellRun:
    """How a run went; its results.json is in the folder it was given unless `failure` says why
    not. `started` is in seconds since the epoch.
    """

    started: float
    seconds: float
    failure: str | None
    noise: Noise


def run_cell(program: Path, arguments: Sequence[str], folder: Path) -> CellRun:
    """Run `program` (main.py) to its end. What it prints is kept in `folder`.

    However this is left, the process is gone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(program), *arguments, "--output", str(folder)]
    output, errors = folder / "stdout.txt", folder / "stderr.txt"
    watch = NoiseWatch()
    started, clock = time.time(), time.monotonic()
    with (
        output.open("wb") as stdout,
        errors.open("wb") as stderr,
        subprocess.Popen(  # noqa: S603 - this interpreter and this program
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
        ) as process,
    ):
        try:
            status = _wait(process, watch)
        except BaseException:
            _end(process)
            raise
    seconds = time.monotonic() - clock
    failure = None if status in FINISHED else _reason(status, errors)
    if failure is None and not (folder / "results.json").is_file():
        failure = "the run ended without a results.json"
    return CellRun(started=started, seconds=seconds, failure=failure, noise=watch.finish())


def _wait(process: "subprocess.Popen[bytes]", watch: NoiseWatch) -> int:
    status = None
    while status is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(SAMPLE_SECONDS)
        watch.sample()
    return status


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _reason(status: int, errors: Path) -> str:
    lines = [
        line.strip()
        for line in errors.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip()
    ]
    for line in reversed(lines):
        if line.startswith(ERROR):
            return line.removeprefix(ERROR)
    if status < 0:
        name = Signals(-status).name
        hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"the process was ended by {name}{hint}"
    last = f": {lines[-1]}" if lines else ""
    return f"the process ended with status {status}{last}"
