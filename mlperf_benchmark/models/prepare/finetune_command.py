"""What finetune.py does."""

import sys

from mlperf_benchmark.models.prepare.fine_tuner import fine_tune
from mlperf_benchmark.models.prepare.finetune_options import parse


def main() -> int:
    """Train, report each epoch, and say where the checkpoint is."""
    run = parse(sys.argv[1:])

    def report(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    report(str(fine_tune(run, report)))
    return 0
