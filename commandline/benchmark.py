"""What main.py does."""

import sys

from rich.console import Console

from commandline.options import parse
from commandline.resolve import resolve
from execution.benchmark import run_benchmark
from loadgen.turns import Turns

INVALID_STATUS = 3


def main() -> int:
    """Exit status 0 for a VALID run, 3 for one that LoadGen calls INVALID."""
    config = resolve(parse(sys.argv[1:]))
    turns = None
    if config.queries_per_turn is not None:
        turns = Turns(config.queries_per_turn, sys.stdin, sys.stdout)
    result = run_benchmark(config, Console(), turns)
    return 0 if result.is_valid else INVALID_STATUS
