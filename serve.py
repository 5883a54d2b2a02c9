"""Makes a prepared model servable by an inference engine: `python3 serve.py --help`."""

from typing import NoReturn

from mlperf_benchmark.core.process import run_command


def command() -> NoReturn:
    """The console script of an installed package, and this file's own start."""
    run_command(
        "mlperf_benchmark.network.server.command:main",
        interrupted="nothing was written",
    )


if __name__ == "__main__":
    command()
