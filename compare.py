"""Compares variants side by side, checks and shows comparisons; see README.md."""

from typing import NoReturn

from mlperf_benchmark.core.process import run_command


def command() -> NoReturn:
    """The console script of an installed package, and this file's own start."""
    run_command(
        "mlperf_benchmark.compare.commands:main",
        interrupted="finished rounds are kept, and the same command goes on",
    )


if __name__ == "__main__":
    command()
