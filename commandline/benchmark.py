"""What main.py does."""

import sys

from rich.console import Console

from commandline.options import parse
from commandline.resolve import resolve
from execution.benchmark import run_benchmark

INVALID_STATUS = 3


def main() -> int:
    """Exit status 0 for a VALID run, 3 for one that LoadGen calls INVALID."""
    result = run_benchmark(resolve(parse(sys.argv[1:])), Console())
    return 0 if result.is_valid else INVALID_STATUS
