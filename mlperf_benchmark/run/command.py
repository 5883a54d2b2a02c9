"""What main.py does."""

import sys

from rich.console import Console

from mlperf_benchmark.loadgen.turns import Turns
from mlperf_benchmark.run.benchmark import run_benchmark
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.resolve import resolve

INVALID_STATUS = 3


def main() -> int:
    """Exit status 0 for a VALID run, 3 for an INVALID one."""
    config = resolve(parse(sys.argv[1:]))
    turns = None
    if config.queries_per_turn is not None or config.tests_per_run is not None:
        turns = Turns(config.queries_per_turn, sys.stdin, sys.stdout)
    result = run_benchmark(config, Console(), turns)
    return 0 if result.is_valid else INVALID_STATUS
