"""Runs main.py the way a user does, and reads what it left behind."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MAIN = ROOT / "main.py"
WITH_TEST_BACKENDS = ROOT / "tests" / "main_with_test_backends.py"
TIMEOUT = 120


@dataclass(frozen=True)
class Run:
    """A finished process and its output folder."""

    status: int
    stdout: str
    stderr: str
    output: Path

    @cached_property
    def result(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.output / "results.json").read_text())
        return content

    @cached_property
    def detail(self) -> dict[str, Any]:
        """The last value of each key in LoadGen's detail log."""
        values = {}
        for line in (self.output / "mlperf_log_detail.txt").read_text().splitlines():
            entry = json.loads(line.removeprefix(":::MLLOG "))
            values[entry["key"]] = entry["value"]
        return values

    @cached_property
    def answers(self) -> list[dict[str, Any]]:
        """The entries of LoadGen's accuracy log."""
        entries: list[dict[str, Any]] = json.loads(
            (self.output / "mlperf_log_accuracy.json").read_text()
        )
        return entries

    @property
    def error(self) -> str:
        """The line that tells why there is no result. Anything else on stderr fails the test."""
        lines = [line for line in self.stderr.splitlines() if not line.startswith("Preprocessing")]
        assert len(lines) == 1, self.stderr
        assert lines[0].startswith("Error: "), self.stderr
        return lines[0].removeprefix("Error: ")

    @property
    def left_nothing(self) -> bool:
        """Whether the output folder is empty or was not made."""
        return not self.output.exists() or not any(self.output.iterdir())


def command(arguments: Sequence[object], script: Path = MAIN) -> list[str]:
    return [sys.executable, str(script), *map(str, arguments)]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def without_the_checkout() -> dict[str, str]:
    """An environment in which Python does not find the checkout by its path."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def finished(
    words: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    timeout: int = TIMEOUT,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end; one that hangs fails the test."""
    return subprocess.run(
        words,
        cwd=cwd,
        env=env or environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run_main(
    *arguments: object, output: Path, script: Path = MAIN, cwd: Path = ROOT, timeout: int = TIMEOUT
) -> Run:
    """Run main.py to its end."""
    done = finished(command([*arguments, "--output", output], script), cwd=cwd, timeout=timeout)
    return Run(done.returncode, done.stdout, done.stderr, output)
