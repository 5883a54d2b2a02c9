"""The options of explain.py."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from dataset import DATASETS
from mlperf_benchmark.core.option_values import positive_int
from mlperf_benchmark.core.parser import Parser
from mlperf_benchmark.core.run_config import PRECISIONS
from mlperf_benchmark.core.versions import version
from mlperf_benchmark.explain.layer_errors_options import (
    add_accuracy_options,
    check_accuracy_options,
)
from mlperf_benchmark.own_model.options import add_card_options, add_port_options
from profiles import PROFILES


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. Options that were not given are None (flags: False).

    Raises UsageError for options that contradict each other.
    """
    parser = Parser(
        prog="explain.py",
        description="Time every layer of a model and of its variants, and say why a variant is "
        "not faster; with --accuracy also where its errors come from.",
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="model files, the baseline first; FILE@BACKEND to run one on another backend than "
        "the one that main.py takes for its kind of file",
    )
    _what(parser)
    add_card_options(parser)
    _how(parser)
    add_accuracy_options(parser)
    add = parser.add_argument_group("output").add_argument
    add("--all", action="store_true", help="print every layer instead of the worst twenty")
    add(
        "--output",
        type=Path,
        default=Path("output", "explain"),
        metavar="DIR",
        help="folder for explain.json, layers.csv, layer_errors.csv, explain.html and the graphs "
        "that were executed (default: ./output/explain)",
    )
    add("--overwrite", action="store_true", help="replace the explanation in --output")
    parser.add_argument("--version", action="version", version=version())
    options = parser.parse_args(arguments)
    check_accuracy_options(options)
    return options


def _what(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("images")
    add = group.add_argument
    add(
        "--profile",
        metavar="NAME",
        help="profile that gives the data set and, for files that it reads, the backend: "
        f"{', '.join(sorted(PROFILES))}",
    )
    add(
        "--dataset",
        metavar="NAME",
        help="data set whose image size and normalisation the models take; the images are noise "
        f"(default: as the model's description or card says): {', '.join(DATASETS.names())}",
    )
    add_port_options(group)
    add(
        "--cache-dir",
        type=Path,
        default=Path("cache"),
        metavar="DIR",
        help="where models unpacked from archives are kept (default: ./cache)",
    )


def _how(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("measurement").add_argument
    add("--threads", type=positive_int, metavar="N", help="threads of the backends")
    add(
        "--precision",
        choices=PRECISIONS,
        help="precision of OpenVINO's floating-point layers (default: f32)",
    )
    add(
        "--inferences",
        type=positive_int,
        default=200,
        metavar="N",
        help="inferences of each model, both with and without layer times (default: 200)",
    )
