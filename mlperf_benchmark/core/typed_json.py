"""Reads JSON into dataclasses, and checks its types against their fields."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def from_json(text: str | bytes, kind: type[T]) -> T:
    """Read `text` as a `kind`. Raises ValueError, which names the field that is wrong."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(_sentence(error)) from error


def from_plain(content: Any, kind: type[T]) -> T:
    """The reverse of `dataclasses.asdict`, also after JSON, which holds a Path as text.

    Raises ValueError as `from_json`.
    """
    try:
        return msgspec.convert(content, kind, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise ValueError(_sentence(error)) from error


def check_schema(content: Any, schema: int) -> None:
    """Raises ValueError for another schema, whose fields may differ."""
    found = content.get("schema") if isinstance(content, Mapping) else None
    if found != schema:
        raise ValueError(f"schema {found} instead of {schema}")


def _path(kind: type, value: Any) -> Path:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")


def _sentence(error: Exception) -> str:
    text = str(error).replace("`", "")
    return text[:1].lower() + text[1:]
