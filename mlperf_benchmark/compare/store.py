"""Finished rounds in the output folder, so that an interrupted comparison goes on."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlperf_benchmark.compare.cell_process import CellRun
from mlperf_benchmark.compare.identity import difference, identity_of
from mlperf_benchmark.compare.plan import Plan
from mlperf_benchmark.core.disk import way_out
from mlperf_benchmark.core.errors import OutputError, RunError
from mlperf_benchmark.core.files import staged
from mlperf_benchmark.core.locks import lock
from mlperf_benchmark.core.output_names import PLAN, RESULT
from mlperf_benchmark.core.typed_json import from_json
from mlperf_benchmark.core.working_folder import working_folder
from mlperf_benchmark.run.output_folder import wait_until_free
from mlperf_benchmark.run.result import Result, read_result

ROUNDS = "rounds"
ROUND = "round.json"
LOCK = ".lock"
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Round:
    """One finished round: every cell that had not failed before, in the order they ran."""

    number: int
    runs: Mapping[str, CellRun]

    @property
    def seconds(self) -> float:
        return sum(run.seconds for run in self.runs.values())


class Store:
    """The output folder. Life cycle: `open`, then `rounds`, `folder` and `finish`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._results: dict[Path, Result] = {}

    @contextmanager
    def open(self, plan: Plan, overwrite: bool) -> Iterator[None]:
        """Take the folder for this process and this plan; make it where it does not exist.

        Raises OutputError for a folder in use, of another comparison, or not writable.
        """
        with ExitStack() as stack:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context((self.path / LOCK).open("w"))
                if not lock(file.fileno(), self.path):
                    raise OutputError(
                        f"Another comparison is writing to {self.path}; choose another --output."
                    )
                self._claim(identity_of(plan), overwrite)
            except OSError as error:
                raise OutputError(
                    f"Cannot write to the output folder {self.path}: {error.strerror or error};"
                    f" {way_out(error, '--output')}."
                ) from error
            yield

    def rounds(self) -> list[Round]:
        """What is finished, in order. What a killed process left half-done is removed."""
        found: list[Round] = []
        folder = self.path / ROUNDS
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if (path / ROUND).is_file() and int(path.name) == len(found) + 1:
                found.append(_read_round(path / ROUND, len(found) + 1))
            else:
                self._discard(path)
        return found

    def folder(self, number: int, key: str) -> Path:
        """Where the cell's run of that round writes."""
        return self.path / ROUNDS / f"{number:04d}" / key

    def finish(self, done: Round) -> None:
        """From now on the round is kept."""
        content = {key: dataclasses.asdict(run) for key, run in done.runs.items()}
        with staged(self.path / ROUNDS / f"{done.number:04d}") as folder:
            (folder / ROUND).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def result(self, number: int, key: str) -> Result:
        """The results.json of a run that did not fail."""
        path = self.folder(number, key) / RESULT
        if path not in self._results:
            try:
                self._results[path] = read_result(path)
            except OSError as error:
                raise OutputError(
                    f"Cannot read {path}: {error.strerror}. Measure anew with --overwrite."
                ) from error
            except RunError as error:
                raise OutputError(f"{error} Measure anew with --overwrite.") from error
        return self._results[path]

    def _claim(self, identity: Mapping[str, Any], overwrite: bool) -> None:
        plan = self.path / PLAN
        if plan.exists() and not overwrite:
            known = _read_plan(plan)
            if known != identity:
                raise OutputError(
                    f"{self.path} holds another comparison ({difference(known, identity)}). "
                    "Choose another --output, or measure anew with --overwrite."
                )
            return
        if not plan.exists() and (self.path / RESULT).exists() and not overwrite:
            raise OutputError(f"{self.path} holds the result of a run. Choose another --output.")
        if plan.exists() and (self.path / ROUNDS).exists():
            self._discard(self.path / ROUNDS)
        with staged(self.path) as folder:
            (folder / PLAN).write_text(json.dumps(identity, indent=2) + "\n", encoding="utf-8")

    def _discard(self, rounds: Path) -> None:
        """Remove a round or all of them as a whole: what stayed would count as another's.

        Runs that a killed comparison left must have ended: they clear away by path.
        """
        for file in rounds.glob("**/stdout.txt"):
            wait_until_free(file.parent, PATIENCE_SECONDS)
        with working_folder(self.path) as old:
            rounds.rename(old / rounds.name)


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _read_round(path: Path, number: int) -> Round:
    try:
        return Round(number, from_json(path.read_bytes(), dict[str, CellRun]))
    except ValueError as error:
        raise OutputError(f"{path} is damaged ({error}). Measure anew with --overwrite.") from error
