"""Says where a model's time goes, layer by layer, and why a variant is not faster: see
docs/explaining.md.
"""

from collections.abc import Callable
from typing import NoReturn

from mlperf_benchmark.core.process import run_command


def command() -> NoReturn:
    """The console script of an installed package, and this file's own start."""
    run_command(load)


def load() -> Callable[[], int]:
    """Imported only now, where signals are heeded: it takes a while."""
    from mlperf_benchmark.explain.command import main

    return main


if __name__ == "__main__":
    command()
