"""Compares variants side by side, checks and shows comparisons; see README.md."""

import sys
from pathlib import Path

from rich.console import Console

from commandline.process import run_command
from comparison.commands import compare

PROGRAM = Path(__file__).with_name("main.py")


def main() -> int:
    """Exit status 0, 1 where a variant failed or the gate found one worse, 3 for INVALID runs."""
    return compare(sys.argv[1:], PROGRAM, Console())


if __name__ == "__main__":
    run_command(
        main,
        debug="--debug" in sys.argv,
        interrupted="finished rounds are kept, and the same command goes on",
    )
