"""Runs one MLPerf LoadGen test; see README.md."""

import sys

from rich.console import Console

from commandline.options import parse
from commandline.process import run_command
from commandline.resolve import resolve
from execution.benchmark import run_benchmark

INVALID_STATUS = 3


def main() -> int:
    """Exit status 0 for a VALID run, 3 for one that LoadGen calls INVALID."""
    result = run_benchmark(resolve(parse(sys.argv[1:])), Console())
    return 0 if result.is_valid else INVALID_STATUS


if __name__ == "__main__":
    run_command(main, debug="--debug" in sys.argv)
