"""Turn the weights of a model into a model file: `python3 prepare.py --help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from commandline.process import run_command
from modelfiles.architecture import ARCHITECTURES
from modelfiles.formats import BACKEND_FORMATS, FORMATS
from preparation.preparer import prepare_model
from preparation.recipe import PRECISIONS, Recipe


def parse(arguments: Sequence[str] | None = None) -> Recipe:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="prepare.py",
        description="Turn the weights of a model into a model file with its description.",
    )
    add = parser.add_argument
    add("model", help=f"one of: {', '.join(ARCHITECTURES.names())}")
    add(
        "--weights",
        required=True,
        help="a state dict of the model, or the name of a source: torchvision (resnet50),"
        " package (efficientnet-lite0), random (any model)",
    )
    add("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    add(
        "--backend",
        default="openvino",
        help=f"who shall run it: {', '.join(BACKEND_FORMATS)} (default: %(default)s)",
    )
    add(
        "--format",
        help=f"kind of file: {', '.join(FORMATS.names())} (default: what the backend prefers)",
    )
    add(
        "--precision",
        default="fp32",
        help=f"one of: {', '.join(PRECISIONS)} (default: %(default)s)",
    )
    add("--output", type=Path, default=Path("models"), help="folder (default: %(default)s)")
    add("--name", help="file name without suffix (default: MODEL_PRECISION)")
    add(
        "--cache-dir", type=Path, default=Path("cache"), help="for downloads (default: %(default)s)"
    )
    add("--overwrite", action="store_true", help="replace an existing file")
    return Recipe(**vars(parser.parse_args(arguments)))


def main() -> int:
    """Prepare one model file and say where it is."""
    sys.stdout.write(f"{prepare_model(parse())}\n")
    return 0


if __name__ == "__main__":
    run_command(main, debug=False)
