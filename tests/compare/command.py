"""Runs compare.py the way a user does."""

from collections.abc import Sequence
from pathlib import Path

from mlperf_benchmark.compare.record import Comparison, read_comparison
from tests.command import ROOT, Run, command, finished

COMPARE = ROOT / "compare.py"
TIMEOUT = 150


def run_compare(*arguments: object, output: Path | None = None, script: Path = COMPARE) -> Run:
    """Run it to its end."""
    folder: Sequence[object] = () if output is None else ("--output", output)
    done = finished(command([*arguments, *folder], script), timeout=TIMEOUT)
    return Run(done.returncode, done.stdout, done.stderr, output or Path())


def comparison_of(run: Run) -> Comparison:
    return read_comparison(run.output / "comparison.json")
