"""Compares variants side by side, checks and shows comparisons; see README.md."""

import sys

from commandline.process import run_command

if __name__ == "__main__":
    run_command(
        "comparison.commands:main",
        debug="--debug" in sys.argv,
        interrupted="finished rounds are kept, and the same command goes on",
    )
