"""Makes a prepared model servable by an inference engine: `python3 serve.py --help`."""

from collections.abc import Callable
from typing import NoReturn

from mlperf_benchmark.core.process import run_command


def command() -> NoReturn:
    """The console script of an installed package, and this file's own start."""
    run_command(
        load,
        interrupted="nothing was written",
    )


def load() -> Callable[[], int]:
    """Imported only now, where signals are heeded: it takes a while."""
    from mlperf_benchmark.network.server.command import main

    return main


if __name__ == "__main__":
    command()
