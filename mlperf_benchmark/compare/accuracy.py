"""Top-1 once for each model, data set and backend, kept in the cache from then on."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset import DATASETS
from mlperf_benchmark.compare.cell_process import run_cell
from mlperf_benchmark.compare.identity import change, model_sha256
from mlperf_benchmark.core.errors import OutputError
from mlperf_benchmark.core.files import staged, write_text
from mlperf_benchmark.core.output_names import RESULT
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.result import INVALID, AccuracyResult

# Options that an accuracy run refuses, or that cannot change an answer.
DROPPED = frozenset(
    {"time", "queries", "qps", "max-latency", "samples-per-query", "threads", "streams", "scenario"}
)
# What decides about an answer beside model and data set.
DECISIVE = ("precision", "max_batchsize", "inputs", "outputs", "data_format")
NETWORK = ("endpoints", "served_model", "model_version", "payload")
NODE = ("engine", "version", "model", "model_version")
RANDOM_WEIGHTS = "random weights"
NO_LABELS = "no labels"


@dataclass(frozen=True)
class AccuracyOutcome:
    """`result`, or a `note` why there is none; `failed` where its run failed."""

    result: AccuracyResult | None
    note: str | None = None
    failed: bool = False


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

    def outcome(self, arguments: Sequence[str], result: Mapping[str, Any]) -> AccuracyOutcome:
        """For a cell with main.py's `arguments`, whose performance run wrote `result`."""
        settled = _settled(result)
        if settled is not None:
            return settled
        known = self._known(arguments, result)
        if known is not None:
            return known
        outcome = self._measure(arguments, result)
        self._measured[_name(result)] = outcome
        if outcome.result is not None and _is_identified(result):
            self._keep(_file(arguments, result), outcome.result)
        return outcome

    def is_known(self, arguments: Sequence[str], result: Mapping[str, Any]) -> bool:
        """Whether `outcome` will take no time."""
        return _settled(result) is not None or self._known(arguments, result) is not None

    def _known(self, arguments: Sequence[str], result: Mapping[str, Any]) -> AccuracyOutcome | None:
        measured = self._measured.get(_name(result))
        if measured is not None or not _is_identified(result):
            return measured
        found = _read(_file(arguments, result))
        return None if found is None else AccuracyOutcome(found)

    def _keep(self, file: Path, accuracy: AccuracyResult) -> None:
        try:
            with staged(file.parent) as folder:
                write_text(folder / file.name, json.dumps(dataclasses.asdict(accuracy)) + "\n")
        except OutputError as error:
            if not self._has_warned:
                self._warn(f"Accuracy is not kept for the next time. {error}")
            self._has_warned = True

    def _measure(self, arguments: Sequence[str], result: Mapping[str, Any]) -> AccuracyOutcome:
        with scratch_folder("accuracy") as scratch:
            # main.py locks its output folder, as the scratch folder is locked.
            folder = scratch / "run"
            run = run_cell(self._program, accuracy_arguments(arguments), folder)
            if run.failure is not None:
                return AccuracyOutcome(None, f"failed: {run.failure}", failed=True)
            content = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        if content["validity"] == INVALID:
            reasons = "; ".join(content["invalid_reasons"])
            return AccuracyOutcome(None, f"failed: INVALID: {reasons}", failed=True)
        changed = change(result, content)
        if changed is not None:
            reason = f"{changed} since the speed was measured"
            return AccuracyOutcome(None, f"failed: {reason}", failed=True)
        if content["accuracy"] is None:
            return AccuracyOutcome(None, "no claim")
        return AccuracyOutcome(AccuracyResult(**content["accuracy"]))


def accuracy_arguments(arguments: Sequence[str]) -> list[str]:
    """The same run as an accuracy run: Offline, which is the quickest."""
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word.removeprefix("--") in DROPPED:
            next(words)
        else:
            kept.append(word)
    return [*kept, "--scenario", "Offline", "--accuracy"]


def _settled(result: Mapping[str, Any]) -> AccuracyOutcome | None:
    """What can be said without a run."""
    if not DATASETS.load(result["config"]["dataset"]).has_labels:
        return AccuracyOutcome(None, NO_LABELS)
    description = (result["model"] or {}).get("description")
    if description is not None and description["weights"]["sha256"] is None:
        return AccuracyOutcome(None, RANDOM_WEIGHTS)
    return None


def _is_identified(result: Mapping[str, Any]) -> bool:
    """Whether another model or other images would be told apart. Served nodes need not tell."""
    return bool(model_sha256(result) and result["dataset"].get("fingerprint"))


def _file(arguments: Sequence[str], result: Mapping[str, Any]) -> Path:
    return Path(parse(arguments).cache_dir) / "accuracy" / f"{_name(result)}.json"


def _name(result: Mapping[str, Any]) -> str:
    """The name in the cache: a hash of all that decides about the answers."""
    dataset, backend, config = result["dataset"], result["backend"], result["config"]
    about = {
        "model": model_sha256(result),
        "dataset": [dataset[key] for key in ("name", "count", "list_sha256")],
        "images": [str(Path(dataset["path"] or "").resolve()), dataset.get("fingerprint")],
        "nodes": {name: (config.get("network") or {}).get(name) for name in NETWORK},
        "served": [{name: node[name] for name in NODE} for node in backend["nodes"]],
        "backend": [backend[key] for key in ("name", "version", "executed_precision")],
        "options": {name: config[name] for name in DECISIVE},
        "packages": result["system"]["packages"],
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


def _read(file: Path) -> AccuracyResult | None:
    try:
        return AccuracyResult(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
