"""Runs one MLPerf LoadGen test; see README.md."""

from mlperf_benchmark.core.process import run_command

if __name__ == "__main__":
    run_command("mlperf_benchmark.run.command:main")
