"""`prepare.py --list-methods` and `--list-quantizers`: what can be named, one per line."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from mlperf_benchmark.core.registry import Registry
from mlperf_benchmark.models.optimize.config import CRITERIA, QUANTIZERS, SCOPES

LISTED = (
    ("--prune-method", "which channels matter, by", CRITERIA),
    ("--prune-scope", "what each layer loses", SCOPES),
)
RECONSTRUCT = """\
--reconstruct: after any of these
  Ridge regression of the unpruned outputs on the pruned inputs, layer by layer, https://arxiv.org/abs/1707.06168
"""


class Listing(argparse.Action):
    """An option that prints what `text` returns and exits, as --help does, even if other options
    are missing.
    """

    def __init__(self, text: Callable[[], str], **options: Any) -> None:
        super().__init__(**options | {"nargs": 0, "default": argparse.SUPPRESS})
        self._text = text

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        sys.stdout.write(self._text())
        parser.exit()


def pruning_methods() -> str:
    sections = [f"{option}: {what}\n{_lines(names)}" for option, what, names in LISTED]
    return "\n".join([*sections, RECONSTRUCT])


def quantizers() -> str:
    """One line about each. It imports them, which takes seconds."""
    return "".join(f"{name}: {QUANTIZERS.load(name).summary}\n" for name in QUANTIZERS.names())


def _lines(registry: Registry) -> str:
    """Return each name with the first line of its class's docstring."""
    names = registry.names()
    width = max(map(len, names))
    return "".join(f"  {name:<{width}}  {_summary(registry.load(name))}\n" for name in names)


def _summary(plug_in: Any) -> str:
    text = plug_in.__doc__ or "no description"
    return str(text).strip().splitlines()[0].removesuffix(".")
