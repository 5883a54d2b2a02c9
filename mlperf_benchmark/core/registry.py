"""Plug-ins by name, imported only when one is asked for."""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from mlperf_benchmark.core.errors import UnknownNameError, UsageError


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
    """Plug-ins of one kind by name: our own, those of installed packages, and registered ones.

    `entries` map a name to "module:attribute", which is imported on first use: a backend whose
    package is not installed thus costs nothing until it is asked for. Packages add theirs by an
    entry point of the group `group`; our own names come first.
    """

    def __init__(self, kind: str, entries: Mapping[str, str], group: str | None = None) -> None:
        self.kind = kind
        self._entries: dict[str, Any] = dict(entries)
        self._group = group

    def register(self, name: str, plug_in: Any) -> None:
        """Add `plug_in`, in this process alone. Raises ValueError for a name that is taken."""
        if name in self.names():
            raise ValueError(f'There is a {self.kind} "{name}" already.')
        self._entries[name] = plug_in

    def names(self) -> tuple[str, ...]:
        return tuple(sorted({*self._entries, *self._installed()}))

    def load(self, name: str) -> Any:
        """The plug-in of that name, imported if need be.

        Raises UnknownNameError if there is none, UsageError if an installed package's plug-in
        cannot be imported.
        """
        if known_name(self.kind, name, self.names()) in self._entries:
            plug_in = self._entries[name]
            return _imported(plug_in) if isinstance(plug_in, str) else plug_in
        point = self._installed()[name]
        try:
            return point.load()
        except (ImportError, AttributeError) as error:
            package = point.dist.name if point.dist else point.module
            raise UsageError(
                f'The {self.kind} "{name}" of the package {package} cannot be loaded: {error}.'
            ) from error

    def _installed(self) -> dict[str, metadata.EntryPoint]:
        if self._group is None:
            return {}
        return {point.name: point for point in metadata.entry_points(group=self._group)}


def _imported(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
