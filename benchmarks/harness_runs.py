"""Runs main.py as a user does, for the benchmarks that compare it with something else."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.bound_process import bound

ROOT = Path(__file__).resolve().parents[1]


def run_main(*options: str) -> dict[str, Any]:
    """The content of results.json of one run. An INVALID run counts, a failed one raises."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "main.py"), *options, "--output", folder]
        finished = subprocess.run(bound(command), capture_output=True, text=True, check=False)
        if finished.returncode not in (0, 3):
            raise RuntimeError(f"{' '.join(command)}: {finished.stderr}")
        result: dict[str, Any] = json.loads(Path(folder, "results.json").read_text("utf-8"))
        return result


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
