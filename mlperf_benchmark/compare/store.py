"""Finished rounds in the output folder, so that an interrupted comparison goes on."""

import dataclasses
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlperf_benchmark.compare.cell_process import CellRun
from mlperf_benchmark.compare.plan import Plan
from mlperf_benchmark.compare.record import read_noise
from mlperf_benchmark.core.disk import way_out
from mlperf_benchmark.core.errors import OutputError
from mlperf_benchmark.core.files import files_sha256, staged
from mlperf_benchmark.core.locks import lock
from mlperf_benchmark.core.versions import PRODUCT, package_versions
from mlperf_benchmark.models.files.ir_pair import is_ir, weights_of
from mlperf_benchmark.run.options import parse

PLAN = "plan.json"
ROUNDS = "rounds"
ROUND = "round.json"
LOCK = ".lock"
LAYOUT = 1


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
        self._results: dict[Path, dict[str, Any]] = {}

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
                self._claim(_identity(plan), overwrite)
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
                shutil.rmtree(path)
        return found

    def folder(self, number: int, key: str) -> Path:
        """Where the cell's run of that round writes."""
        return self.path / ROUNDS / f"{number:04d}" / key

    def finish(self, done: Round) -> None:
        """From now on the round is kept."""
        content = {key: dataclasses.asdict(run) for key, run in done.runs.items()}
        with staged(self.path / ROUNDS / f"{done.number:04d}") as folder:
            (folder / ROUND).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def result(self, number: int, key: str) -> dict[str, Any]:
        """The results.json of a run that did not fail."""
        path = self.folder(number, key) / "results.json"
        if path not in self._results:
            try:
                self._results[path] = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise OutputError(
                    f"Cannot read {path}: {error}. Measure anew with --overwrite."
                ) from error
        return self._results[path]

    def _claim(self, identity: Mapping[str, Any], overwrite: bool) -> None:
        plan = self.path / PLAN
        if plan.exists() and not overwrite:
            known = {"queries_per_turn": None} | _read_plan(plan)
            if known != identity:
                raise OutputError(
                    f"{self.path} holds another comparison ({_difference(known, identity)}). "
                    "Choose another --output, or measure anew with --overwrite."
                )
            return
        if not plan.exists() and (self.path / "results.json").exists() and not overwrite:
            raise OutputError(f"{self.path} holds the result of a run. Choose another --output.")
        if plan.exists():
            shutil.rmtree(self.path / ROUNDS, ignore_errors=True)
        with staged(self.path) as folder:
            (folder / PLAN).write_text(json.dumps(identity, indent=2) + "\n", encoding="utf-8")


def _identity(plan: Plan) -> dict[str, Any]:
    """What rounds must have in common to be put together."""
    return {
        "layout": LAYOUT,
        "product": PRODUCT,
        "packages": package_versions(),
        "seed": plan.matrix.seed,
        "queries_per_turn": plan.matrix.queries_per_turn,
        "cells": {cell.key: list(cell.arguments) for cell in plan.cells},
        "models": {
            str(model): _model_hash(model)
            for model in sorted({parse(cell.arguments).model for cell in plan.cells} - {None})
        },
    }


def _model_hash(model: Path) -> str | None:
    parts = [model, weights_of(model)] if is_ir(model) else [model]
    try:
        return files_sha256(parts)
    except OSError:
        # The cell will say what is wrong.
        return None


def _difference(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    words = {
        "packages": "package versions differ",
        "product": "of another version of this program",
        "seed": "another seed",
        "queries_per_turn": "other turns",
        "cells": "other variants or options",
        "models": "a model file has changed",
    }
    return next(
        (word for key, word in words.items() if known.get(key) != wanted[key]), "another layout"
    )


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _read_round(path: Path, number: int) -> Round:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Round(
            number,
            {
                key: CellRun(**(run | {"noise": read_noise(run["noise"])}))
                for key, run in content.items()
            },
        )
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path} is damaged ({error}). Measure anew with --overwrite.") from error
