"""Runs one MLPerf LoadGen test; see README.md."""

import sys

from mlperf_benchmark.core.process import run_command

if __name__ == "__main__":
    run_command("mlperf_benchmark.run.command:main", debug="--debug" in sys.argv)
