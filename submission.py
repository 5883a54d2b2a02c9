"""Makes and checks MLPerf Inference submission trees; see README.md."""

from typing import NoReturn

from mlperf_benchmark.core.process import run_command


def command() -> NoReturn:
    """The console script of an installed package, and this file's own start."""
    run_command(
        "mlperf_benchmark.submit.command:main",
        interrupted="finished runs are kept, and the same command goes on",
    )


if __name__ == "__main__":
    command()
