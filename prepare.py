"""Turn the weights of a model into a model file: `python3 prepare.py --help`."""

import sys

from commandline.process import run_command
from preparation.options import parse
from preparation.preparer import prepare_model


def main() -> int:
    """Prepare one model file and say where it is."""
    sys.stdout.write(f"{prepare_model(parse(sys.argv[1:]))}\n")
    return 0


if __name__ == "__main__":
    run_command(main, debug=False)
