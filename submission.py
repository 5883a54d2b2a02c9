"""Makes and checks MLPerf Inference submission trees; see README.md."""

import sys

from rich.console import Console

from commandline.process import run_command
from mlperf_submission.command import run
from mlperf_submission.options import parse


def main() -> int:
    """Exit status 0 for a tree without findings, 3 for one with some."""
    return run(parse(sys.argv[1:]), Console())


if __name__ == "__main__":
    run_command(
        main,
        debug="--debug" in sys.argv,
        interrupted="finished runs are kept, and the same command goes on",
    )
