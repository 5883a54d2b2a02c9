"""Prune a model and train it to recover: `python3 finetune.py --help`."""

import sys

from commandline.process import run_command
from preparation.fine_tuner import fine_tune
from preparation.finetune_options import parse


def main() -> int:
    """Train, report each epoch, and say where the checkpoint is."""
    run = parse(sys.argv[1:])

    def report(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    report(str(fine_tune(run, report)))
    return 0


if __name__ == "__main__":
    run_command(main, debug=False, interrupted="the last whole epoch is kept, see --resume")
