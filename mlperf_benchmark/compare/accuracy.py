"""Answers once for each model, data set and backend, kept in the cache from then on."""

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataset import DATASETS
from mlperf_benchmark.compare.cell_process import run_cell
from mlperf_benchmark.compare.identity import change, model_sha256
from mlperf_benchmark.compare.plan import Cell
from mlperf_benchmark.core.errors import OutputError
from mlperf_benchmark.core.files import staged
from mlperf_benchmark.core.output_names import ANSWERS, RESULT
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.run.accuracy import top1
from mlperf_benchmark.run.answers import Answers, load_answers
from mlperf_benchmark.run.arguments import without
from mlperf_benchmark.run.record import accuracy_result
from mlperf_benchmark.run.result import AccuracyResult, Result, read_result
from profiles import profile

# Options that an accuracy run refuses, or that cannot change an answer.
DROPPED = frozenset(
    {"time", "queries", "qps", "max-latency", "samples-per-query", "threads", "streams", "scenario"}
)
# What decides about an answer beside model and data set.
DECISIVE = (
    *("precision", "inputs", "outputs", "data_format", "execution_provider"),
    # Of the user's own model, by its options or its card.
    "labels_offset",
)
NETWORK = ("endpoints", "served_model", "model_version", "payload")
NODE = ("engine", "version", "model", "model_version")
RANDOM_WEIGHTS = "random weights"
NO_LABELS = "no labels"


@dataclass(frozen=True)
class AccuracyOutcome:
    """`result`, or a `note` why there is none; `failed` where its run failed.

    `answers` are None where there was no run, or it failed. Cells of the same `run` share it.
    """

    result: AccuracyResult | None
    note: str | None = None
    failed: bool = False
    answers: Answers | None = None
    run: str = ""


class AccuracyRuns:
    """Measures what the cache does not hold.

    Failures, and models that nothing identifies, are remembered for this process only. `warn` is
    called once where the cache cannot be written.
    """

    def __init__(self, program: Path, warn: Callable[[str], None]) -> None:
        self._program = program
        self._warn = warn
        self._has_warned = False
        self._measured: dict[str, AccuracyOutcome] = {}

    def outcome(self, cell: Cell, result: Result) -> AccuracyOutcome:
        """For a cell whose performance run wrote `result`."""
        if _runs_no_model(result):
            return AccuracyOutcome(None, NO_LABELS)
        known = self._known(cell, result)
        if known is not None:
            return known
        outcome = self._measure(cell, result)
        self._measured[_name(cell, result)] = outcome
        if outcome.answers is not None and _is_identified(result):
            self._keep(_file(cell, result), outcome.answers)
        return outcome

    def is_known(self, cell: Cell, result: Result) -> bool:
        """Whether `outcome` will take no time."""
        return _runs_no_model(result) or self._known(cell, result) is not None

    def _known(self, cell: Cell, result: Result) -> AccuracyOutcome | None:
        measured = self._measured.get(_name(cell, result))
        if measured is not None or not _is_identified(result):
            return measured
        found = _read(_file(cell, result))
        return None if found is None else _outcome(found, cell, result)

    def _keep(self, file: Path, answers: Answers) -> None:
        try:
            with staged(file.parent) as folder:
                answers.write(folder / file.name)
        except OutputError as error:
            if not self._has_warned:
                self._warn(f"Accuracy is not kept for the next time. {error}")
            self._has_warned = True

    def _measure(self, cell: Cell, result: Result) -> AccuracyOutcome:
        with scratch_folder("accuracy") as scratch:
            # The run locks its folder, and the scratch folder is locked by this process.
            folder = scratch / "run"
            run = run_cell(self._program, accuracy_arguments(cell.arguments), folder)
            if run.failure is not None:
                return AccuracyOutcome(None, f"failed: {run.failure}", failed=True)
            accuracy = read_result(folder / RESULT)
            answers = load_answers(folder / ANSWERS)
        if not accuracy.is_valid:
            reasons = "; ".join(accuracy.invalid_reasons)
            return AccuracyOutcome(None, f"failed: INVALID: {reasons}", failed=True)
        changed = change(result, accuracy)
        if changed is not None:
            reason = f"{changed} since the speed was measured"
            return AccuracyOutcome(None, f"failed: {reason}", failed=True)
        return _outcome(answers, cell, result)


def accuracy_arguments(arguments: Sequence[str]) -> list[str]:
    """The same run as an accuracy run: Offline, which is the quickest."""
    return [*without(arguments, DROPPED), "--scenario", "Offline", "--accuracy"]


def _outcome(answers: Answers, cell: Cell, result: Result) -> AccuracyOutcome:
    """What was answered, as accuracy where that means something."""
    name = _name(cell, result)
    if answers.labels is None:
        note = RANDOM_WEIGHTS if _has_labels(result) else NO_LABELS
        return AccuracyOutcome(None, note, answers=answers, run=name)
    accuracy = accuracy_result(top1(answers.classes, answers.labels))
    return AccuracyOutcome(accuracy, answers=answers, run=name)


def _has_labels(result: Result) -> bool:
    has_labels: bool = DATASETS.load(result.config.dataset).has_labels
    return has_labels


def _runs_no_model(result: Result) -> bool:
    """As the backend that measures the harness itself: its answers say nothing of anything."""
    return result.model is None and not result.backend.nodes and not _has_labels(result)


def _is_identified(result: Result) -> bool:
    """Whether the run can be told from one of another model. Served nodes may not say enough."""
    return bool(model_sha256(result) and result.dataset.fingerprint)


def _file(cell: Cell, result: Result) -> Path:
    return Path(cell.options.cache_dir) / "accuracy" / f"{_name(cell, result)}.npz"


def _name(cell: Cell, result: Result) -> str:
    """The name in the cache: a hash of all that decides about the answers."""
    dataset, backend, config = result.dataset, result.backend, result.config
    about = {
        "model": model_sha256(result),
        "dataset": [dataset.name, dataset.count, dataset.list_sha256],
        "images": [str(Path(dataset.path or "").resolve()), dataset.fingerprint],
        "nodes": {name: getattr(config.network, name, None) for name in NETWORK},
        "served": [{name: getattr(node, name) for name in NODE} for node in backend.nodes],
        "backend": [backend.name, backend.version, backend.executed_precision],
        "options": {name: getattr(config, name) for name in DECISIVE},
        "max_batchsize": _max_batchsize(cell.options),
        "packages": result.system.packages,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


def _max_batchsize(options: argparse.Namespace) -> int | None:
    """Of the accuracy run: a performance run in SingleStream has a batch of 1 in any case."""
    if options.max_batchsize is None and options.profile is not None:
        return profile(options.profile).max_batchsize
    return int(options.max_batchsize) if options.max_batchsize is not None else None


def _read(file: Path) -> Answers | None:
    try:
        return load_answers(file)
    except (OSError, ValueError):
        return None
