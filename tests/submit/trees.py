"""Trees made by submission.py from doctored runs, and its command line."""

import subprocess
from pathlib import Path

from mlperf_benchmark.core.errors import BenchmarkError
from tests.command import ROOT, command, finished
from tests.submit.doctored_runs import write_runs

SUBMISSION = ROOT / "submission.py"
SCENARIOS = ("SingleStream", "MultiStream", "Offline")
SYSTEM = """submitter = "Example"

[system]
system_name = "Two-core machine"
status = "available"
host_memory_configuration = "2x 16 GB DDR5"
host_storage_type = "SSD"
host_networking = "1000 Mbit/s Ethernet"
host_network_card_count = "1"
cooling = "air"
"""


def submit(*arguments: object, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Run submission.py to its end."""
    return finished(command(arguments, SUBMISSION), cwd=cwd)


def write_system(folder: Path) -> Path:
    path = folder / "system.toml"
    path.write_text(SYSTEM)
    return path


def make_tree(folder: Path, division: str, scenarios: tuple[str, ...] = SCENARIOS) -> Path:
    """A tree without faults, assembled by submission.py from doctored runs."""
    folder.mkdir(parents=True, exist_ok=True)
    tests = ("TEST01", "TEST04") if division == "closed" else ()
    runs = write_runs(folder, scenarios, ("performance", "accuracy", *tests))
    done = submit(
        *("--runs", runs, "--division", division, "--system", write_system(folder)),
        *("--scenarios", ",".join(scenarios), "--output", folder / "made"),
    )
    if done.returncode != 0:
        raise BenchmarkError(done.stdout + done.stderr)
    return folder / "made" / "tree"
