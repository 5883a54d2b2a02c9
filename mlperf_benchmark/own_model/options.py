"""The options that describe the inputs, outputs and images of the user's own model."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlperf_benchmark.core.card_values import VALUES
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.parser import flag
from mlperf_benchmark.core.preprocessing import (
    CHANNEL_ORDERS,
    CUSTOM,
    INTERPOLATIONS,
    ModelCard,
)
from mlperf_benchmark.core.run_config import DATA_FORMATS

CARD_OPTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "resize": ("SIZE", "short side in pixels, or HEIGHT,WIDTH (default: crop / 0.875)"),
        "crop": ("SIZE", "size of the central crop (default: what the model takes)"),
        "crop_pct": ("SHARE", "instead of --resize: the crop's size as a share of it, as in timm"),
        "crop_mode": ("NAME", "with --crop-pct: center or squash (default: center)"),
        "interpolation": ("NAME", f"{', '.join(INTERPOLATIONS)} (default: bilinear)"),
        "mean": ("R,G,B", "mean of each channel, for pixels from 0 to 1 (default: ImageNet's)"),
        "std": ("R,G,B", "standard deviation of each channel (default: ImageNet's)"),
        "rescale_factor": (
            "FACTOR",
            "factor for pixels from 0 to 255 (default: 1/255; 1 for a mean such as 123.7)",
        ),
        "channel_order": ("NAME", f"{' or '.join(CHANNEL_ORDERS)} (default: RGB)"),
    }
)
"""Placeholder and help of the options about the images; their names are fields of `ModelCard`."""


def add_port_options(parser: Any) -> None:
    """Add the options for the model's input and output to a parser or argument group."""
    add = parser.add_argument
    add(
        "--inputs", type=VALUES["inputs"], metavar="NAME", help="the model's input (default: found)"
    )
    add(
        "--outputs",
        type=VALUES["outputs"],
        metavar="NAME",
        help="the model's output (default: found)",
    )
    add(
        "--data-format",
        "--layout",
        choices=DATA_FORMATS,
        help="layout of the model's input (default: found from its shape)",
    )


def add_card_options(parser: argparse.ArgumentParser) -> None:
    """Add --model-card and the options that can replace it."""
    group = parser.add_argument_group(
        "your own model, with --profile custom or none (docs/own-model.md)"
    )
    group.add_argument(
        "--model-card",
        type=Path,
        metavar="FILE",
        help="the images that it takes: TOML or JSON in the words of these options, timm's"
        " config.json or Hugging Face's preprocessor_config.json (default: MODEL.card.toml or one"
        " of these two, beside the model)",
    )
    for name, (metavar, text) in CARD_OPTIONS.items():
        group.add_argument(flag(name), type=VALUES[name], metavar=metavar, help=text)
    group.add_argument(
        "--labels-offset",
        type=VALUES["labels_offset"],
        metavar="N",
        help="added to the classes that the model answers (default: -1 for 1001 classes, else 0)",
    )


def given_card(options: Mapping[str, Any]) -> ModelCard | None:
    """Return what the command line says about the images, or None if it says nothing.

    Raises UsageError.
    """
    card = ModelCard(**{name: options.get(name) for name in CARD_OPTIONS})
    return card if card.said else None


def refuse_card(options: argparse.Namespace, dataset: str) -> None:
    """Refuse preprocessing options for a `dataset` that has its own preprocessing.

    Raises UsageError.
    """
    for option in ("model_card", *CARD_OPTIONS):
        if getattr(options, option) is not None:
            raise UsageError(
                f"{flag(option)} does not apply to the data set {dataset}, which has a "
                f"preprocessing of its own: use --profile {CUSTOM}."
            )
