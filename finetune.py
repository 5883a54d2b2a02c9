"""Prunes a model and trains it to recover: `python3 finetune.py --help`."""

from collections.abc import Callable
from typing import NoReturn

from mlperf_benchmark.core.process import run_command


def command() -> NoReturn:
    """The console script of an installed package, and this file's own start."""
    run_command(
        load,
        interrupted="whole epochs are kept, see --resume",
    )


def load() -> Callable[[], int]:
    """Imported only now, where signals are heeded: it takes a while."""
    from mlperf_benchmark.models.prepare.finetune_command import main

    return main


if __name__ == "__main__":
    command()
