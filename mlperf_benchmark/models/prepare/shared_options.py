"""The options that several commands have: the model, and the images that it is adapted to."""

import argparse
from pathlib import Path

from mlperf_benchmark.core.option_values import positive_int, seed
from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES


def add_model(parser: argparse.ArgumentParser, *, or_file: bool = False) -> None:
    """Add the options that select a model and its weights or, with `or_file`, a model file."""
    add = parser.add_argument
    others = "; or an ONNX file, which has its own weights" if or_file else ""
    add(
        "model",
        nargs="?" if or_file else None,
        help=f"one of: {', '.join(ARCHITECTURES.names())}{others}",
    )
    add(
        "--weights",
        required=not or_file,
        help="a state dict of the model, alone or as training scripts save it, a checkpoint of"
        " finetune.py, or the name of a source:"
        " torchvision (mobilenetv2, resnet18, resnet50), deit (deit-tiny), package"
        " (efficientnet-lite0 to -lite2), random (any model)",
    )
    add("--seed", type=seed, help="seed of everything random (default: 0)")
    add(
        "--cache-dir",
        type=Path,
        help="folder for downloads and preprocessed images (default: cache)",
    )


def add_calibration(parser: argparse._ActionsContainer, use: str) -> None:
    """Add the options that say which images are for `use`."""
    add = parser.add_argument
    add(
        "--calibration-path",
        type=Path,
        metavar="DIR",
        help=f"images for {use}; not needed with random weights",
    )
    add("--calibration-count", type=positive_int, metavar="N", help="draw N of them (default: all)")
