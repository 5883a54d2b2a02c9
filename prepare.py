"""Turns the weights of a model into a model file: `python3 prepare.py --help`."""

from typing import NoReturn

from mlperf_benchmark.core.process import run_command


def command() -> NoReturn:
    """The console script of an installed package, and this file's own start."""
    run_command("mlperf_benchmark.models.prepare.command:main")


if __name__ == "__main__":
    command()
