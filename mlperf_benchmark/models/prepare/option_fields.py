"""Given options as fields of the dataclasses that they make."""

import dataclasses
from typing import Any


def take(given: dict[str, Any], config: type) -> dict[str, Any]:
    """Remove from `given` and return what are fields of the dataclass `config`."""
    names = [field.name for field in dataclasses.fields(config) if field.name in given]
    return {name: given.pop(name) for name in names}


def option_of(given: dict[str, Any]) -> str:
    """The first of these fields as the user wrote it."""
    names = {
        "method": "--prune-method",
        "scope": "--prune-scope",
        "channels": "--prune-channels",
        "fast_bias_correction": "--full-bias-correction",
        "bias_correction": "--no-bias-correction",
    }
    first = next(iter(given))
    return names.get(first, "--" + first.replace("_", "-"))
