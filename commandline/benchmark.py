"""What main.py does."""

import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from commandline.options import parse
from commandline.resolve import resolve
from contracts.config import RunConfig
from execution.benchmark import Turns, run_benchmark

INVALID_STATUS = 3
READY, DONE = "ready", "done"


def main() -> int:
    """Exit status 0 for a VALID run, 3 for one that LoadGen calls INVALID."""
    options = parse(sys.argv[1:])
    config = resolve(options)
    if options.turns:
        return _take_turns(config, sys.stdin)
    result = run_benchmark(config, Console())
    return 0 if result.is_valid else INVALID_STATUS


def _take_turns(config: RunConfig, lines: Iterable[str]) -> int:
    """A run for each line, which names its output folder; stdout tells when one may be asked for
    and when it is done.
    """
    valid = True
    turns = Turns(config, Console(stderr=True))
    print(READY, flush=True)  # noqa: T201 - for the program that asks for turns
    for line in lines:
        valid &= turns.take(Path(line.rstrip("\n"))).is_valid
        print(DONE, flush=True)  # noqa: T201
    turns.close()
    return 0 if valid else INVALID_STATUS
