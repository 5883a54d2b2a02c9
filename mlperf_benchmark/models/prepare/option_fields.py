"""Turns given options into the fields of the dataclasses that they fill."""

import dataclasses
from typing import Any

from mlperf_benchmark.core.parser import flag


def take(given: dict[str, Any], config: type) -> dict[str, Any]:
    """Remove the fields of the dataclass `config` from `given` and return them."""
    names = [field.name for field in dataclasses.fields(config) if field.name in given]
    return {name: given.pop(name) for name in names}


def option_of(given: dict[str, Any]) -> str:
    """Return the first of these fields as the command-line option that the user wrote."""
    names = {
        "method": "--prune-method",
        "scope": "--prune-scope",
        "channels": "--prune-channels",
        "fast_bias_correction": "--full-bias-correction",
        "bias_correction": "--no-bias-correction",
    }
    first = next(iter(given))
    return names.get(first, flag(first))
