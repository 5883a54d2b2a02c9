"""Runs main.py as a user does, for the benchmarks that compare it with something else."""

import subprocess
import sys
import tempfile
from pathlib import Path

from mlperf_benchmark.core.bound_process import bound
from mlperf_benchmark.core.output_names import RESULT
from mlperf_benchmark.run.result import Result, read_result

ROOT = Path(__file__).resolve().parents[1]


def run_main(*options: str) -> Result:
    """The result of one run. An INVALID run counts, a failed one raises."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "main.py"), *options, "--output", folder]
        finished = subprocess.run(bound(command), capture_output=True, text=True, check=False)
        if finished.returncode not in (0, 3):
            raise RuntimeError(f"{' '.join(command)}: {finished.stderr}")
        return read_result(Path(folder, RESULT))


def bare_loop(what: str, profile: str, model: str, *numbers: float) -> float:
    """The figure of benchmarks/bare_loops.py, `latency` or `throughput`, in a process of its own.

    `numbers` are the seconds and, where it is not the model's own, the batch.
    """
    command = [sys.executable, "-m", "benchmarks.bare_loops", what, profile, model]
    finished = subprocess.run(
        bound([*command, *map(str, numbers)]), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {finished.stderr}")
    return float(finished.stdout)
