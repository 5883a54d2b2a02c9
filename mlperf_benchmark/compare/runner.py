"""Runs the rounds until there are enough, then the accuracy runs."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from mlperf_benchmark.compare.accuracy import AccuracyOutcome, AccuracyRuns
from mlperf_benchmark.compare.cell_process import CellRun, never_run, run_cell
from mlperf_benchmark.compare.identity import change
from mlperf_benchmark.compare.intervals import MIN_ROUNDS, median
from mlperf_benchmark.compare.matrix import Stopping
from mlperf_benchmark.compare.noise import busy_warning
from mlperf_benchmark.compare.peak_search import search_peak
from mlperf_benchmark.compare.plan import Cell, Plan
from mlperf_benchmark.compare.round_figures import Measurements, cell_ratios, failures, measured_in
from mlperf_benchmark.compare.store import Round, Store
from mlperf_benchmark.compare.turns import take_turns
from mlperf_benchmark.core.cpus import usable_cpus
from mlperf_benchmark.core.terminal import say, warn
from mlperf_benchmark.run.progress import clock

NOT_WANTED = AccuracyOutcome(None)


@dataclass(frozen=True)
class Measured:
    """All that was run, and why it stopped. `accuracy` is by cell key."""

    rounds: list[Round]
    accuracy: dict[str, AccuracyOutcome]
    stopped: str


class Runner:
    """Measures what `plan` asks for into `store`, which is open. `program` is main.py."""

    def __init__(self, plan: Plan, store: Store, program: Path, console: Console) -> None:
        self._plan = plan
        self._store = store
        self._program = program
        self._console = console

    def run(self) -> Measured:
        """Go on from the finished rounds to the end."""
        rounds = self._store.rounds()
        if rounds:
            self._say(f"Going on after {len(rounds)} finished rounds.")
        busy = busy_warning(usable_cpus())
        if busy is not None:
            self._say(f"Before the start {busy}")
        start = time.monotonic()
        stopping = self._plan.matrix.stopping
        while True:
            reason = self._enough(rounds, stopping, time.monotonic() - start)
            if reason is not None:
                break
            rounds.append(self._round(rounds))
            self._tell(rounds)
        plural = "" if len(rounds) == 1 else "s"
        self._say(f"Stopped after {len(rounds)} round{plural}: {reason}.")
        return Measured(rounds, self._accuracy(rounds), reason)

    def _round(self, rounds: Sequence[Round]) -> Round:
        number, failed = len(rounds) + 1, failures(rounds)
        runs: dict[str, CellRun] = {}
        for group in self._plan.groups(number):
            cells = [cell for cell in group if cell.key not in failed]
            runs |= {cell.key: never_run(cell.unmade) for cell in cells if cell.unmade is not None}
            runs |= self._run(number, [cell for cell in cells if cell.unmade is None])
            for cell in cells:
                runs[cell.key] = self._of_the_same(cell.key, runs[cell.key], number, rounds)
                reason = runs[cell.key].failure
                if reason is not None:
                    what = f"{cell.name}, {cell.scenario}: {reason}"
                    say(self._console, what, "Failed:", "red")
        done = Round(number, runs)
        self._store.finish(done)
        return done

    def _of_the_same(self, key: str, run: CellRun, number: int, rounds: Sequence[Round]) -> CellRun:
        """`run`, failed where its model or images are not those of the earlier rounds."""
        if run.failure is not None or not rounds:
            return run
        first = rounds[0].number
        changed = change(self._store.result(first, key), self._store.result(number, key))
        if changed is None:
            return run
        reason = f"{changed} since round {first}; measure anew with --overwrite"
        return dataclasses.replace(run, failure=reason)

    def _run(self, number: int, cells: Sequence[Cell]) -> dict[str, CellRun]:
        folder = partial(self._store.folder, number)
        if any(cell.takes_turns for cell in cells):
            random = np.random.default_rng((self._plan.matrix.seed, number, len(cells)))
            return take_turns(self._program, cells, folder, random)
        return {cell.key: self._run_alone(cell, folder(cell.key)) for cell in cells}

    def _run_alone(self, cell: Cell, folder: Path) -> CellRun:
        if cell.searches_peak:
            return search_peak(self._program, cell, folder)
        return run_cell(self._program, cell.arguments, folder)

    def _enough(self, rounds: Sequence[Round], stopping: Stopping, elapsed: float) -> str | None:
        """Why no further round is wanted, or None."""
        failed = failures(rounds)
        if all(cell.key in failed for cell in self._plan.cells):
            return "every variant failed"
        if stopping.rounds is not None:
            return "as many as asked for" if len(rounds) >= stopping.rounds else None
        if rounds and elapsed + rounds[-1].seconds > stopping.max_time:
            return f"the max-time of {clock(stopping.max_time)} is over"
        return self._precise_enough(rounds, stopping.precision_goal)

    def _precise_enough(self, rounds: Sequence[Round], goal: float) -> str | None:
        failed = failures(rounds)
        compared = [
            cell
            for cell in self._plan.cells
            if not cell.is_baseline and not {cell.key, cell.baseline} & failed.keys()
        ]
        if len(rounds) < MIN_ROUNDS:
            return None
        if not compared:
            return "there is nothing to compare"
        measured = measured_in(self._plan, rounds, self._store)
        if all(self._width(cell, measured) <= goal for cell in compared):
            return f"every interval is within the precision goal of {goal:.1%}"
        return None

    def _width(self, cell: Cell, measured: Measurements) -> float:
        ratios = cell_ratios(cell, measured)
        width = median(ratios, self._plan.matrix.seed).width if ratios else None
        return float("inf") if width is None else width

    def _accuracy(self, rounds: Sequence[Round]) -> dict[str, AccuracyOutcome]:
        if not self._plan.matrix.accuracy:
            return {cell.key: NOT_WANTED for cell in self._plan.cells}
        runs = AccuracyRuns(self._program, self._warn)
        failed = failures(rounds)
        outcomes: dict[str, AccuracyOutcome] = {}
        for cell in self._plan.cells:
            number = next((done.number for done in rounds if cell.key in done.runs), None)
            if cell.key in failed or number is None:
                outcomes[cell.key] = NOT_WANTED
                continue
            result = self._store.result(number, cell.key)
            if not runs.is_known(cell, result):
                self._say(f"Accuracy of {cell.variant}.")
            outcomes[cell.key] = runs.outcome(cell, result)
        return outcomes

    def _tell(self, rounds: Sequence[Round]) -> None:
        """One line a round, so that a log shows how it went."""
        number = rounds[-1].number
        measured = measured_in(self._plan, rounds, self._store)
        several = len(self._plan.matrix.scenarios) > 1
        parts = [
            f"{cell.name}{f' ({cell.scenario})' if several else ''} "
            f"{measured[cell.key][number].figure(cell.metric):.4g}"
            for cell in self._plan.cells
            if number in measured[cell.key]
        ]
        total = self._plan.matrix.stopping.rounds
        place = f"Round {number}" + (f" of {total}" if total else "")
        self._say(f"{place}, {clock(rounds[-1].seconds)}: {'; '.join(parts) or 'nothing measured'}")

    def _warn(self, text: str) -> None:
        warn(self._console, text)

    def _say(self, text: str) -> None:
        say(self._console, text)
