"""Compares variants side by side, checks and shows comparisons; see README.md."""

import sys

from mlperf_benchmark.core.process import run_command

if __name__ == "__main__":
    run_command(
        "mlperf_benchmark.compare.commands:main",
        debug="--debug" in sys.argv,
        interrupted="finished rounds are kept, and the same command goes on",
    )
