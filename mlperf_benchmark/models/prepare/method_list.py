"""`prepare.py --list-methods`: the pruning methods, one per line."""

import argparse
import sys
from typing import Any

from mlperf_benchmark.core.registry import Registry
from mlperf_benchmark.models.optimize.config import CRITERIA, SCOPES

LISTED = (
    ("--prune-method", "which channels matter, by", CRITERIA),
    ("--prune-scope", "what each layer loses", SCOPES),
)
RECONSTRUCT = """\
--reconstruct: after any of these
  Ridge regression of the unpruned outputs on the pruned inputs, layer by layer, https://arxiv.org/abs/1707.06168
"""


class ListMethods(argparse.Action):
    """An option that prints the list and exits, as --help does, even if other options are
    missing.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"nargs": 0, "default": argparse.SUPPRESS})

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        sections = [f"{option}: {what}\n{_lines(names)}" for option, what, names in LISTED]
        sys.stdout.write("\n".join([*sections, RECONSTRUCT]))
        parser.exit()


def _lines(registry: Registry) -> str:
    """Return each name with the first line of its class's docstring."""
    names = registry.names()
    width = max(map(len, names))
    return "".join(f"  {name:<{width}}  {_summary(registry.load(name))}\n" for name in names)


def _summary(plug_in: Any) -> str:
    text = plug_in.__doc__ or "no description"
    return str(text).strip().splitlines()[0].removesuffix(".")
