"""Runs one MLPerf LoadGen test; see README.md."""

from typing import NoReturn

from mlperf_benchmark.core.process import run_command


def command() -> NoReturn:
    """The console script of an installed package, and this file's own start."""
    run_command("mlperf_benchmark.run.command:main")


if __name__ == "__main__":
    command()
