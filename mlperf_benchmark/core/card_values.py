"""What the words of a model card may be, on the command line and in files."""

import argparse
import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from mlperf_benchmark.core.option_values import positive, positive_int
from mlperf_benchmark.core.preprocessing import (
    CENTER,
    CHANNEL_ORDERS,
    INTERPOLATIONS,
    SQUASH,
    Channels,
    Size,
)
from mlperf_benchmark.core.run_config import DATA_FORMATS

LARGEST_SIDE = 16384
LARGEST_OFFSET = 10**6
_BETWEEN = re.compile(r"\s*[,x×\s]\s*")


def sides(text: str) -> tuple[int, ...]:
    """One side, or height and width: 256; 256,320; 256x320."""
    try:
        found = tuple(positive_int(word) for word in _BETWEEN.split(text.strip()))
    except argparse.ArgumentTypeError:
        found = ()
    if len(found) not in (1, 2) or max(found) > LARGEST_SIDE:
        raise argparse.ArgumentTypeError(
            f'"{text}" is neither a number of pixels nor HEIGHT,WIDTH (each {LARGEST_SIDE} at most)'
        )
    return found


def crop(text: str) -> Size:
    """Height and width, or the side of a square."""
    found = sides(text)
    return found[0], found[-1]


def share(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(
            f'"{text}" is not a share above 0 and up to 1, such as 0.875'
        )
    return value


def channels(text: str) -> Channels:
    """A number for each channel, or one for all."""
    found = [_number(word) for word in re.split(r"\s*[,\s]\s*", text.strip())]
    if len(found) not in (1, 3) or not all(map(math.isfinite, found)):
        raise argparse.ArgumentTypeError(
            f'"{text}" is neither one number nor one for each channel, such as 0.485,0.456,0.406'
        )
    return found[0], found[len(found) // 2], found[-1]


def positive_channels(text: str) -> Channels:
    found = channels(text)
    if min(found) <= 0:
        raise argparse.ArgumentTypeError(f'"{text}" is not above 0 in each channel')
    return found


def interpolation(text: str) -> str:
    """PIL's filters, also as torchvision writes them: InterpolationMode.BICUBIC."""
    return _one_of(INTERPOLATIONS, text.lower().removeprefix("interpolationmode."))


def crop_mode(text: str) -> str:
    return _one_of((CENTER, SQUASH), text.lower())


def channel_order(text: str) -> str:
    return _one_of(CHANNEL_ORDERS, text.upper())


def layout(text: str) -> str:
    return _one_of(DATA_FORMATS, text.upper())


def offset(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = LARGEST_OFFSET + 1
    if abs(value) > LARGEST_OFFSET:
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number, such as -1')
    return value


def one_name(text: str) -> tuple[str, ...]:
    names = tuple(name for name in text.split(",") if name)
    if len(names) != 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not one name; a classifier has one')
    return names


VALUES: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {
        "resize": sides,
        "crop": crop,
        "crop_pct": share,
        "crop_mode": crop_mode,
        "interpolation": interpolation,
        "mean": channels,
        "std": positive_channels,
        "rescale_factor": positive,
        "channel_order": channel_order,
        "layout": layout,
        "inputs": one_name,
        "outputs": one_name,
        "labels_offset": offset,
    }
)
"""By the fields of `ModelCard`."""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _one_of(known: tuple[str, ...], word: str) -> str:
    if word not in known:
        raise argparse.ArgumentTypeError(f'"{word}" is not one of {", ".join(known)}')
    return word
