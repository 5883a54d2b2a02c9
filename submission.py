"""Makes and checks MLPerf Inference submission trees; see README.md."""

from collections.abc import Callable
from typing import NoReturn

from mlperf_benchmark.core.process import run_command


def command() -> NoReturn:
    """The console script of an installed package, and this file's own start."""
    run_command(
        load,
        interrupted="finished runs are kept, and the same command goes on",
    )


def load() -> Callable[[], int]:
    """Imported only now, where signals are heeded: it takes a while."""
    from mlperf_benchmark.submit.command import main

    return main


if __name__ == "__main__":
    command()
