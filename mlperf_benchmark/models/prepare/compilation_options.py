"""The options of the TVM compiler."""

import argparse
from pathlib import Path

from mlperf_benchmark.core.option_values import positive, positive_int


def add_compilation(parser: argparse.ArgumentParser) -> None:
    """Add the options whose names are fields of CompileOptions."""
    add = parser.add_argument_group("compilation, with --backend tvm").add_argument
    add(
        "--batches",
        type=_batches,
        metavar="N,N",
        help="batch sizes that get a library each (default: 1,8)",
    )
    add(
        "--target",
        metavar="CPU",
        help="LLVM's name of the processor to compile for (default: host, this one)",
    )
    add(
        "--tune",
        type=positive,
        metavar="SECONDS",
        help="search this long for faster tiles than those chosen by rule",
    )
    add(
        "--tiles",
        type=Path,
        metavar="FILE",
        help="JSON file of tiles: read if it exists, written by --tune",
    )
    add(
        "--threads",
        type=positive_int,
        metavar="N",
        help="threads that will run the model (default: all); with --prune-for on any backend",
    )
    add(
        "--exact-convolutions",
        action="store_true",
        help="no Winograd convolutions: slower, and closer to exact sums",
    )


def _batches(text: str) -> tuple[int, ...]:
    try:
        batches = tuple(positive_int(number) for number in text.split(","))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f'"{text}" is not a list of batch sizes like 1,8: {error}'
        ) from error
    if len(set(batches)) < len(batches):
        raise argparse.ArgumentTypeError(f'"{text}" names a batch size twice')
    return batches
