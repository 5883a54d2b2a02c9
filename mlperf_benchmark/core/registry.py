"""Plug-ins by name, imported only when one is asked for."""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from mlperf_benchmark.core.errors import UnknownNameError


def known_name(kind: str, name: str, names: Iterable[str]) -> str:
    """Return `name` when it is one of `names`.

    Raises UnknownNameError with the nearest name and the whole list otherwise.
    """
    known = sorted(names)
    if name in known:
        return name
    lowered = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.4)
    hint = f' Did you mean "{lowered[near[0]]}"?' if near else ""
    raise UnknownNameError(f'Unknown {kind} "{name}".{hint} Known: {", ".join(known)}.')


class Registry:
    """Maps a name to "module:attribute" and imports the module on first use.

    A backend whose package is not installed thus costs nothing until it is asked for.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries = MappingProxyType(dict(entries))

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._entries))

    def load(self, name: str) -> Any:
        """Import and return what `name` stands for; UnknownNameError when nothing does."""
        target = self._entries[known_name(self.kind, name, self._entries)]
        module, _, attribute = target.partition(":")
        return getattr(importlib.import_module(module), attribute)
