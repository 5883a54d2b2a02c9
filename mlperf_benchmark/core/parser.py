"""Command-line parsers whose errors are reported like all others."""

import argparse
import difflib
from typing import Any, NoReturn

from mlperf_benchmark.core.errors import UsageError


def flag(option: str) -> str:
    """An option as it is typed, by its name in a namespace."""
    return "--" + option.replace("_", "-")


CUTOFF = 0.7
"""How alike an unknown option and the one that is meant have to be."""


class _Heeded(argparse.Action):
    """An option that process.py looks for by itself, as parsing can fail, too. Leaves no value."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"nargs": 0, "default": argparse.SUPPRESS})

    def __call__(self, *_: object) -> None:
        """Do nothing."""


class Parser(argparse.ArgumentParser):
    """Reports bad usage as an error of ours, so that it looks like every other one.

    Options cannot be abbreviated: what is short for one may be short for two tomorrow. Each command
    takes --debug. A parser that only serves as one of another's `parents` has neither that nor
    --help.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False} | options)
        if self.add_help:
            self.add_argument("--debug", action=_Heeded, help="show the traceback of an error")

    def error(self, message: str) -> NoReturn:
        raise UsageError(
            f"{message[:1].upper()}{message[1:]}.{self._meant(message)} See {self.prog} --help."
        )

    def _meant(self, message: str) -> str:
        """The options that are nearest to the ones that it does not know."""
        if not message.startswith("unrecognized arguments"):
            return ""
        known = self._long_options()
        wrong = [word.partition("=")[0] for word in message.split() if word.startswith("--")]
        near = [
            name for word in wrong for name in difflib.get_close_matches(word, known, 1, CUTOFF)
        ]
        return f" Did you mean {' '.join(near)}?" if near else ""

    def _long_options(self) -> set[str]:
        """Those of the commands of a command, too."""
        known = {name for name in self._option_string_actions if name.startswith("--")}
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                known |= {name for one in action.choices.values() for name in one._long_options()}
        return known - {"--help", "--debug"}
