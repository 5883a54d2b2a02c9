"""comparison.json: what was compared and what came out."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlperf_benchmark.compare.agreement import Agreement
from mlperf_benchmark.compare.intervals import Estimate
from mlperf_benchmark.compare.matrix import METRICS, PEAK, Metric
from mlperf_benchmark.compare.noise import Noise
from mlperf_benchmark.compare.paired_accuracy import AccuracyDifference
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.typed_json import from_plain
from mlperf_benchmark.run.result import VALID, AccuracyResult, ColdStart, Figures, Memory

KIND = "comparison"
SCHEMA_VERSION = 3
# Version 1 had no turns, version 2 no rows that were not run.
READABLE = (1, 2, SCHEMA_VERSION)


@dataclass(frozen=True)
class Measurement(Figures):
    """One run of a cell, with LoadGen's figures (docs/results.md)."""

    round: int
    started: float
    seconds: float
    validity: str
    invalid_reasons: list[str]
    noise: Noise
    cold_start: ColdStart | None = None
    memory: Memory | None = None
    # Server's rate, where one was given or found.
    qps: float | None = None
    tests: list[Figures] = field(default_factory=list)

    def figure(self, metric: Metric) -> float:
        """The value of `metric` in this run."""
        return self.qps or 0.0 if metric == PEAK else metric.of(self)

    def figures_in_turn(self, metric: Metric) -> list[float]:
        """The values of `metric` in each test of this run that had a turn of its own."""
        tests = () if metric == PEAK else self.tests
        return [metric.of(test) for test in tests] or [self.figure(metric)]


@dataclass(frozen=True)
class Subject:
    """What the cell's process said it ran: parts of the results.json of its first round."""

    backend: dict[str, Any]
    model: dict[str, Any] | None
    dataset: dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One cell over all rounds.

    `failure` is the reason why it could not be measured. `estimate` is the median of the metric,
    `speedup` the median of the rounds' ratios to the baseline, above 1 where the row is faster.
    `accuracy_note` says why there is no `accuracy`; `accuracy_failed` that its run failed.
    `not_run` is the matrix's reason for a row without figures.
    `accuracy_difference` and `agreement` compare the answers with the baseline's, image by image;
    None where both come from the same run. `right_images` is paired_accuracy.pack's.
    `cold_start` and `memory` are medians over the rounds, too.
    `sweep` holds its values of the swept axes by the options' names.
    """

    name: str
    scenario: str
    threads: int | None
    metric: str
    baseline: bool
    command: list[str]
    failure: str | None
    subject: Subject | None
    measurements: list[Measurement]
    latency_ms: dict[str, float] | None
    samples_per_second: float | None
    estimate: Estimate | None
    speedup: Estimate | None
    ratios: list[float]
    accuracy: AccuracyResult | None
    accuracy_note: str | None
    accuracy_failed: bool
    accuracy_points: float | None
    warnings: list[str]
    not_run: str | None = None
    accuracy_difference: AccuracyDifference | None = None
    agreement: Agreement | None = None
    right_images: str | None = None
    cold_start: ColdStart | None = None
    memory: Memory | None = None
    variant: str = ""
    sweep: dict[str, float] = field(default_factory=dict)

    @property
    def invalid_rounds(self) -> int:
        return sum(run.validity != VALID for run in self.measurements)

    @property
    def key(self) -> tuple[str, str]:
        """Rows of two comparisons with equal keys belong together."""
        return self.name, self.scenario

    @property
    def figures(self) -> list[float]:
        """The metric of every round."""
        return [run.figure(METRICS[self.metric]) for run in self.measurements]


@dataclass(frozen=True)
class Best:
    """The fastest rows of a scenario by `metric` among those that keep `constraint`.

    `names` are several where their intervals overlap. `excluded` says by name why nothing could be
    said of a row.
    """

    scenario: str
    metric: str
    constraint: str
    names: list[str]
    excluded: dict[str, str]
    sentence: str


@dataclass(frozen=True)
class Comparison:
    """A finished comparison. `order` holds the cells' names as each round ran them, `explanation`
    what explain.py says of the models.
    """

    kind: str
    schema_version: int
    created: str
    product: str
    title: str
    command: list[str]
    seed: int
    confidence: float
    stopped: str
    order: list[list[str]]
    rows: list[Row]
    system: dict[str, Any]
    queries_per_turn: int | None = None
    best: list[Best] = field(default_factory=list)
    tests_per_run: int | None = None
    explanation: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(row.failure is not None or row.accuracy_failed for row in self.rows)

    @property
    def invalid(self) -> bool:
        return any(row.invalid_rounds for row in self.rows)

    def to_json(self) -> str:
        """The text of comparison.json."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"


def read_comparison(path: Path) -> Comparison:
    """Read what `to_json` wrote. Raises UsageError for any other file or version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise UsageError(f"No file {path}; name the comparison.json of a comparison.") from error
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}.") from error
    _check_kind(content, path)
    try:
        return from_plain(content | {"schema_version": SCHEMA_VERSION}, Comparison)
    except ValueError as error:
        raise UsageError(
            f"{path} is damaged: a part of the comparison is missing or of another kind ({error})."
        ) from error


def _check_kind(content: Any, path: Path) -> None:
    if not isinstance(content, dict) or content.get("kind") != KIND:
        single = isinstance(content, dict) and "scenario" in content
        what = "the result of a single run of main.py" if single else "not a result of compare.py"
        raise UsageError(f"{path} is {what}; name the comparison.json of a comparison.")
    version = content.get("schema_version")
    if version not in READABLE:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        advice = "update this program" if newer else "run the comparison again"
        raise UsageError(
            f"{path} has format version {version}, this program reads {SCHEMA_VERSION}: {advice}."
        )
