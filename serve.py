"""Make a prepared model servable by an inference engine: `python3 serve.py --help`."""

import sys

from commandline.process import run_command
from serving.options import parse


def main() -> int:
    """Write a model repository and say where it is, or become a node."""
    sys.stdout.write(f"{parse(sys.argv[1:])()}\n")
    return 0


if __name__ == "__main__":
    run_command(main, debug=False, interrupted="nothing was written")
