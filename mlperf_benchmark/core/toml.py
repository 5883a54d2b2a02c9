"""Reads TOML, with a package of its own where Python is too old to have it."""

import sys
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse_toml(text: str) -> dict[str, Any]:
    """Raises ValueError."""
    content: dict[str, Any] = tomllib.loads(text)
    return content


def read_toml(path: Path) -> dict[str, Any]:
    """Raises FileNotFoundError where there is none, UsageError for what cannot be read."""
    try:
        return parse_toml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file in UTF-8.") from error
    except ValueError as error:
        raise UsageError(f"{path} is not a TOML file: {error}.") from error
