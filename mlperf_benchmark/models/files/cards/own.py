"""Reads cards whose words are main.py's options: resize = 256, mean = [0.485, 0.456, 0.406], …"""

import argparse
from collections.abc import Mapping
from typing import Any

from mlperf_benchmark.core.card_values import VALUES
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.preprocessing import ModelCard
from mlperf_benchmark.core.registry import known_name


def read_own(content: Mapping[str, Any]) -> ModelCard:
    """Return the card. Raises UsageError naming the unknown word or invalid value."""
    if not content:
        raise UsageError(f"it is empty; it may hold {', '.join(sorted(VALUES))}.")
    return ModelCard(**{name: value_of(name, value) for name, value in _renamed(content).items()})


def value_of(name: str, value: Any) -> Any:
    """Parse the value of one word as on the command line. Raises UsageError."""
    known_name("word of a model card", name, VALUES)
    values = value if isinstance(value, list) else [value]
    if not values or any(isinstance(one, (bool, dict, list)) or one is None for one in values):
        raise UsageError(
            f"{name} is {value!r}, which is neither a number, text nor a list of them."
        )
    try:
        return VALUES[name](",".join(map(str, values)))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{name}: {error}.") from error


def _renamed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Replace dashes in words, which options have, by underscores."""
    return {name.replace("-", "_"): value for name, value in content.items()}
