"""Runs one MLPerf LoadGen test; see README.md."""

import sys

from commandline.process import run_command

if __name__ == "__main__":
    run_command("commandline.benchmark:main", debug="--debug" in sys.argv)
