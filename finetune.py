"""Prunes a model and trains it to recover: `python3 finetune.py --help`."""

from typing import NoReturn

from mlperf_benchmark.core.process import run_command


def command() -> NoReturn:
    """The console script of an installed package, and this file's own start."""
    run_command(
        "mlperf_benchmark.models.prepare.finetune_command:main",
        interrupted="the last whole epoch is kept, see --resume",
    )


if __name__ == "__main__":
    command()
