"""Records whose texts are fit to be shown, whatever nodes, models and processes said."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from mlperf_benchmark.core.text import printable

Record = TypeVar("Record")


def legible(record: Record) -> Record:
    """The same dataclass with every text in it made printable."""
    shown: Record = _legible(record)
    return shown


def _legible(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list | tuple):
        return type(value)(_legible(item) for item in value)
    if isinstance(value, Mapping):
        return {_legible(key): _legible(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: _legible(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **fields)
    return value
