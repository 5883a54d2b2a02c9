"""Processes that take turns between their queries, so that all of them run at the same time.

A machine's speed changes within seconds, so that of two runs one after the other one has luck.
Processes that take turns of a fraction of a second share good and bad times alike.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from comparison.cell_process import CellProcess, CellRun
from comparison.plan import Cell
from system.cpus import usable_cpus


def take_turns(
    program: Path, cells: Sequence[Cell], folder: Callable[[str], Path], random: np.random.Generator
) -> dict[str, CellRun]:
    """Run `cells` side by side, each in `folder` of its key, with their turns in random order.

    One that fails gets no further turn. Returns the runs by cell key.
    """
    with ExitStack() as stack:
        runs: dict[str, CellRun] = {}
        running: dict[str, CellProcess] = {}
        for chunk in _chunks(cells, usable_cpus()):
            for cell in chunk:
                process = CellProcess(program, cell.turn_arguments, folder(cell.key))
                running[cell.key] = stack.enter_context(process)
            _proceed([cell.key for cell in chunk], running, runs)
        while running:
            keys = list(running)
            _proceed([keys[place] for place in random.permutation(len(keys))], running, runs)
        return runs


def _proceed(
    keys: Sequence[str], running: dict[str, CellProcess], runs: dict[str, CellRun]
) -> None:
    """One turn for each of `keys`; those that end move from `running` to `runs`."""
    for key in keys:
        if running[key].proceed():
            runs[key] = running.pop(key).finish()


def _chunks(cells: Sequence[Cell], size: int) -> list[Sequence[Cell]]:
    """Loading takes a CPU a process, at the least."""
    return [cells[start : start + size] for start in range(0, len(cells), size)]
