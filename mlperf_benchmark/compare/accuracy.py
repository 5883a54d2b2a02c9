"""Top-1 once for each model, data set and backend, kept in the cache from then on."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset import DATASETS
from mlperf_benchmark.compare.cell_process import run_cell
from mlperf_benchmark.core.files import staged
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.result import INVALID, AccuracyResult

# Options that an accuracy run refuses, or that cannot change an answer.
DROPPED = frozenset(
    {"time", "queries", "qps", "max-latency", "samples-per-query", "threads", "streams", "scenario"}
)
# What decides about an answer beside model and data set.
DECISIVE = ("precision", "max_batchsize", "inputs", "outputs", "data_format")
RANDOM_WEIGHTS = "random weights"
NO_LABELS = "no labels"


@dataclass(frozen=True)
class AccuracyOutcome:
    """`result`, or a `note` why there is none; `failed` where its run failed."""

    result: AccuracyResult | None
    note: str | None = None
    failed: bool = False


class AccuracyRuns:
    """Measures what the cache does not hold. Failures are remembered for this process only."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._failures: dict[str, AccuracyOutcome] = {}

    def outcome(self, arguments: Sequence[str], result: Mapping[str, Any]) -> AccuracyOutcome:
        """For a cell with main.py's `arguments`, whose performance run wrote `result`."""
        settled = _settled(result)
        if settled is not None:
            return settled
        name = _name(result)
        file = Path(parse(arguments).cache_dir) / "accuracy" / f"{name}.json"
        found = _read(file)
        if found is not None:
            return AccuracyOutcome(found)
        if name not in self._failures:
            outcome = self._measure(arguments)
            if outcome.result is not None:
                with staged(file.parent) as folder:
                    text = json.dumps(dataclasses.asdict(outcome.result)) + "\n"
                    (folder / file.name).write_text(text, encoding="utf-8")
                return outcome
            self._failures[name] = outcome
        return self._failures[name]

    def is_known(self, arguments: Sequence[str], result: Mapping[str, Any]) -> bool:
        """Whether `outcome` will take no time."""
        name = _name(result)
        file = Path(parse(arguments).cache_dir) / "accuracy" / f"{name}.json"
        return _settled(result) is not None or name in self._failures or _read(file) is not None

    def _measure(self, arguments: Sequence[str]) -> AccuracyOutcome:
        with scratch_folder("accuracy") as folder:
            run = run_cell(self._program, accuracy_arguments(arguments), folder)
            if run.failure is not None:
                return AccuracyOutcome(None, f"failed: {run.failure}", failed=True)
            content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        if content["validity"] == INVALID:
            reasons = "; ".join(content["invalid_reasons"])
            return AccuracyOutcome(None, f"failed: INVALID: {reasons}", failed=True)
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


def _name(result: Mapping[str, Any]) -> str:
    """The name in the cache: a hash of all that decides about the answers."""
    dataset, backend, config = result["dataset"], result["backend"], result["config"]
    about = {
        "model": (result["model"] or {}).get("sha256"),
        "dataset": [dataset[key] for key in ("name", "count", "list_sha256")],
        "images": str(Path(dataset["path"] or "").resolve()),
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
