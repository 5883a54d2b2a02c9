"""Runs main.py for one cell, in a process of its own."""

import contextlib
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from mlperf_benchmark.compare.child_command import reason_of
from mlperf_benchmark.compare.noise import SAMPLE_SECONDS, Noise, NoiseWatch, noise_of_all
from mlperf_benchmark.core.bound_process import bound
from mlperf_benchmark.core.output_names import RESULT
from mlperf_benchmark.core.turn_protocol import READY

PATIENCE_SECONDS = 10.0
# Finished, VALID or not.
FINISHED = (0, 3)


@dataclass(frozen=True)
class CellRun:
    """How a run went; its results.json is in the folder it was given unless `failure` says why
    not. `started` is in seconds since the epoch; `seconds` leaves out the turns of others.
    """

    started: float
    seconds: float
    failure: str | None
    noise: Noise


def never_run(reason: str) -> CellRun:
    """The outcome of a cell whose model could not be made."""
    return CellRun(time.time(), 0.0, reason, Noise(os.getloadavg()[0], None, None, None))


def run_cell(program: Path, arguments: Sequence[str], folder: Path) -> CellRun:
    """Run `program` (main.py) to its end into `folder`."""
    with CellProcess(program, arguments, folder) as process:
        process.proceed()
        return process.finish()


def run_of_several(runs: Sequence[CellRun], failure: str | None) -> CellRun:
    """Join `runs` (at least one), made one after the other, into one outcome."""
    return CellRun(
        started=runs[0].started,
        seconds=sum(run.seconds for run in runs),
        failure=failure,
        noise=noise_of_all([(run.noise, run.seconds) for run in runs]),
    )


class CellProcess:
    """`program` (main.py) with the `arguments` of a cell. What it prints is kept in `folder`.

    Life cycle: enter the context, `load` where it `takes_turns`, `proceed` until it has ended,
    `finish`. However the context is left, the process is gone.
    """

    def __init__(
        self, program: Path, arguments: Sequence[str], folder: Path, takes_turns: bool = False
    ) -> None:
        self._command = [sys.executable, str(program), *arguments, "--output", str(folder)]
        self._folder = folder
        self._takes_turns = takes_turns
        self._stack = ExitStack()
        self._said = b""
        self._seconds = 0.0

    def __enter__(self) -> "CellProcess":
        self._folder.mkdir(parents=True, exist_ok=True)
        self._started = time.time()
        with ExitStack() as stack:
            errors = stack.enter_context(self._errors.open("wb"))
            self._output = stack.enter_context((self._folder / "stdout.txt").open("wb"))
            self._process = stack.enter_context(
                subprocess.Popen(  # noqa: S603 - this interpreter and this program
                    bound(self._command),
                    stdin=subprocess.PIPE if self._takes_turns else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    bufsize=0,
                )
            )
            stack.callback(self._end)
            self._watch = NoiseWatch(self._process.pid)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def load(self) -> bool:
        """Wait until the process asks for its first turn or ends. True when it has ended."""
        return self._timed(self._wait)

    def proceed(self) -> bool:
        """Let the process go on until it rests or ends. True when it has ended."""
        self._watch.sample()
        with self._watch.watching():
            return self._timed(self._take_turn if self._takes_turns else self._wait)

    def finish(self) -> CellRun:
        """The outcome of a process that has ended."""
        status = self._process.wait()
        failure = None if status in FINISHED else reason_of(self._errors, status)
        if failure is None and not (self._folder / RESULT).is_file():
            failure = "the run ended without a results.json"
        return CellRun(
            started=self._started,
            seconds=self._seconds,
            failure=failure,
            noise=self._watch.noise(),
        )

    @property
    def _errors(self) -> Path:
        return self._folder / "stderr.txt"

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _timed(self, step: Callable[[], bool]) -> bool:
        clock = time.monotonic()
        try:
            return step()
        finally:
            self._seconds += time.monotonic() - clock

    def _take_turn(self) -> bool:
        assert self._process.stdin is not None
        # One that has ended cannot hear it, which the wait will find.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(b"\n")
        return self._wait()

    def _wait(self) -> bool:
        """False once it asks for a turn, True when it has ended."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while True:
                if not selector.select(SAMPLE_SECONDS):
                    self._watch.sample()
                    if self._has_ended():
                        return True
                    continue
                said = os.read(self._process.stdout.fileno(), 1 << 16)
                if not said:
                    return True
                self._output.write(said)
                # Runtimes may print other lines.
                *lines, self._said = (self._said + said).split(b"\n")
                if self._takes_turns and READY.encode() in lines:
                    return False

    def _has_ended(self) -> bool:
        """Whether it has ended; its children may still keep its output open.

        It is not waited for yet, as its CPU times are still to be read.
        """
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, options) is not None
