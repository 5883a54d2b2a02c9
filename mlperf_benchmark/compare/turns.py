"""Processes that take turns between their queries, so that all of them run at the same time.

A machine's speed changes within seconds, so that of two runs one after the other one has luck.
Processes that take turns of a fraction of a second share good and bad times alike.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mlperf_benchmark.compare.cell_process import CellProcess, CellRun
from mlperf_benchmark.compare.plan import Cell
from mlperf_benchmark.core.cpus import usable_cpus


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
                process = CellProcess(
                    program, cell.turn_arguments, folder(cell.key), takes_turns=True
                )
                running[cell.key] = stack.enter_context(process)
            for cell in chunk:
                if running[cell.key].load():
                    runs[cell.key] = running.pop(cell.key).finish()
        while running:
            keys = list(running)
            for place in random.permutation(len(keys)):
                if running[keys[place]].proceed():
                    runs[keys[place]] = running.pop(keys[place]).finish()
        return runs


def _chunks(cells: Sequence[Cell], size: int) -> list[Sequence[Cell]]:
    """Groups of processes that load at once: loading keeps at least one CPU busy each."""
    return [cells[start : start + size] for start in range(0, len(cells), size)]
