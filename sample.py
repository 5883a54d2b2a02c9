"""Prepares the sample, a real model and 20 labelled images: `python3 sample.py --help`."""

from typing import NoReturn

from mlperf_benchmark.core.process import run_command


def command() -> NoReturn:
    """The console script of an installed package, and this file's own start."""
    run_command("mlperf_benchmark.models.prepare.sample_command:main")


if __name__ == "__main__":
    command()
