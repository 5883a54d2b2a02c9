"""The options that say how to prune."""

import argparse
from typing import Any

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.option_values import positive, positive_int
from mlperf_benchmark.models.optimize.config import (
    CRITERIA,
    SCOPES,
    PruningConfig,
)
from mlperf_benchmark.models.prepare.option_fields import option_of

LATENCY = "latency="


def pruning_config(given: dict[str, Any]) -> PruningConfig | None:
    """Return the pruning settings, or None if nothing is to be pruned. Raises UsageError."""
    if given and "prune" not in given:
        raise UsageError(f"{option_of(given)} applies to --prune F only.")
    return PruningConfig(**given) if given else None


def add_pruning(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options that say what to prune; their names are fields of PruningConfig.

    Returns their group.
    """
    group = parser.add_argument_group("pruning")
    add = group.add_argument
    add(
        "--prune", type=positive, metavar="F", help="fraction of the multiply-accumulates to remove"
    )
    add(
        "--prune-method",
        dest="method",
        metavar="NAME",
        help=f"what makes a channel important: {', '.join(CRITERIA.names())} (default: l2;"
        " prepare.py --list-methods explains them)",
    )
    add(
        "--prune-scope",
        dest="scope",
        metavar="NAME",
        help=f"how many channels each layer loses: {', '.join(SCOPES.names())} (default: uniform)",
    )
    add(
        "--prune-channels",
        dest="channels",
        metavar="NAME",
        help="inner: spare those that residual sums join while others suffice; all: spare none"
        " (default: inner)",
    )
    add(
        "--round-to",
        type=positive_int,
        metavar="N",
        help="channel counts become multiples of N (default: 16)",
    )
    add(
        "--reconstruct",
        action="store_true",
        help="solve the layers that read pruned channels anew, so that their outputs come near the"
        " unpruned model's on the calibration images; no labels, no training",
    )
    return group


def add_latency(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--prune-for",
        dest="latency",
        type=_latency_left,
        metavar="latency=F",
        help="instead of --prune: leave the fraction F of the latency of one image on this machine,"
        " measured with --backend and --threads",
    )


def _latency_left(text: str) -> float:
    if not text.startswith(LATENCY):
        raise argparse.ArgumentTypeError(f'"{text}" is not a budget like latency=0.5')
    left = positive(text.removeprefix(LATENCY))
    if left >= 1:
        raise argparse.ArgumentTypeError(
            f'"{text}" is out of range: it is the part of the latency that is left, above 0 and'
            " below 1"
        )
    return left
