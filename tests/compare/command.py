"""Runs compare.py the way a user does."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from mlperf_benchmark.compare.record import Comparison, read_comparison
from tests.command import ROOT, Run, command, environment

COMPARE = ROOT / "compare.py"
TIMEOUT = 150


def run_compare(*arguments: object, output: Path | None = None, script: Path = COMPARE) -> Run:
    """Run it to its end; one that hangs fails the test."""
    folder: Sequence[object] = () if output is None else ("--output", output)
    done = subprocess.run(
        command([*arguments, *folder], script),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr, output or Path())


def comparison_of(run: Run) -> Comparison:
    return read_comparison(run.output / "comparison.json")
