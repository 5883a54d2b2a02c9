"""A comparison whose texts are fit to be shown, whatever nodes, models and processes said."""

import dataclasses
from typing import Any

from mlperf_benchmark.compare.record import Comparison
from mlperf_benchmark.core.text import printable


def legible(comparison: Comparison) -> Comparison:
    """A copy of the comparison in which every text is printable."""
    shown: Comparison = _legible(comparison)
    return shown


def _legible(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list | tuple):
        return type(value)(_legible(item) for item in value)
    if isinstance(value, dict):
        return {_legible(key): _legible(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: _legible(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **fields)
    return value
