"""Whether a comparison is worse than an accepted one: speed by intervals, accuracy by its drop."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.compare.accuracy_texts import points_interval
from mlperf_benchmark.compare.intervals import MIN_ROUNDS, Estimate, median_ratio
from mlperf_benchmark.compare.matrix import METRICS
from mlperf_benchmark.compare.paired_accuracy import (
    AccuracyDifference,
    compare_answers,
    unpack,
)
from mlperf_benchmark.compare.record import Comparison, Row
from mlperf_benchmark.compare.settings import differing_settings
from mlperf_benchmark.core.legible import legible

OK, WORSE = "OK", "WORSE"
# What should have been judged and could not be: no success.
NOT_JUDGED = "NOT JUDGED"
# What there is nothing to judge by, as it should be.
SKIPPED = "SKIPPED"
# What of the drop in accuracy must be above its limit to fail: its whole interval, or itself.
BY_INTERVAL, BY_POINT = "interval", "point"
SAME_MACHINE = ("cpu_model", "usable_cpus", "memory_bytes")


@dataclass(frozen=True)
class Limits:
    """`slowdown` as a share, `accuracy_drop` in percentage points, judged by BY_POINT or
    BY_INTERVAL.

    `relative` judges each row's speed-up over its comparison's own baseline instead of its
    figures, which cancels what the machine does to both.
    """

    slowdown: float
    accuracy_drop: float
    relative: bool
    accuracy_by: str = BY_POINT


@dataclass(frozen=True)
class Verdict:
    """On one property of one row. `status` is OK, WORSE, NOT_JUDGED or SKIPPED."""

    name: str
    scenario: str
    subject: str
    status: str
    message: str

    def __str__(self) -> str:
        return f"{self.status} {self.name}, {self.scenario}, {self.subject}: {self.message}"


@dataclass(frozen=True)
class GateReport:
    """All verdicts, and the differences that make them doubtful."""

    verdicts: list[Verdict]
    remarks: list[str]

    @property
    def is_worse(self) -> bool:
        return any(verdict.status == WORSE for verdict in self.verdicts)

    @property
    def is_judged(self) -> bool:
        """False where a row that should have been judged could not be."""
        return all(verdict.status != NOT_JUDGED for verdict in self.verdicts)


def judge(current: Comparison, accepted: Comparison, limits: Limits) -> GateReport:
    """Compare row by row, matched by name and scenario.

    A row is slower when the whole 95 % interval of its slow-down is above the limit: what may be
    noise does not fail. A row that failed or is missing now is worse than one that was measured.
    Accuracy over the same images has no noise, so the drop itself is judged; `accuracy_by` can ask
    instead whether it would be found on other images as well, by the interval of the difference
    image by image, where both comparisons hold which images were answered right. Rows with
    INVALID runs or too few rounds are not judged, unless they are worse even so.
    """
    current, accepted = legible(current), legible(accepted)
    rows = {row.key: row for row in current.rows}
    verdicts: list[Verdict] = []
    for base in accepted.rows:
        row = rows.pop(base.key, None)
        if base.failure is not None:
            verdicts.append(_verdict(base, "speed", SKIPPED, f"had failed before: {base.failure}"))
        elif base.not_run is not None:
            verdicts.append(_verdict(base, "speed", SKIPPED, f"was not run: {base.not_run}"))
        elif row is None:
            verdicts.append(_verdict(base, "speed", WORSE, "is missing now"))
        elif row.not_run is not None:
            verdicts.append(_verdict(base, "speed", WORSE, f"is not run now: {row.not_run}"))
        elif row.failure is not None:
            verdicts.append(_verdict(base, "speed", WORSE, f"fails now: {row.failure}"))
        else:
            verdicts.append(_speed(row, base, limits, current, accepted))
            verdicts += _accuracy(row, base, limits)
    verdicts += [
        _verdict(row, "speed", SKIPPED, "is new, nothing to judge it by") for row in rows.values()
    ]
    if all(verdict.status == SKIPPED for verdict in verdicts):
        why = "nothing was judged: no row of the two could be compared."
        verdicts.append(Verdict("all variants", "all scenarios", "speed", NOT_JUDGED, why))
    return GateReport(verdicts, _remarks(current, accepted, limits))


def _speed(
    row: Row, base: Row, limits: Limits, current: Comparison, accepted: Comparison
) -> Verdict:
    status, what = _judged_speed(row, base, limits, current, accepted)
    invalid = _invalid(row, base)
    if invalid and status != WORSE:
        status = NOT_JUDGED
    return _verdict(row, "speed", status, what + invalid)


def _judged_speed(
    row: Row, base: Row, limits: Limits, current: Comparison, accepted: Comparison
) -> tuple[str, str]:
    """Status and message, whatever LoadGen says of the runs."""
    if row.metric != base.metric:
        return NOT_JUDGED, f"{row.metric} cannot be judged by {base.metric}"
    if limits.relative:
        others, values, higher = base.ratios, row.ratios, True
        over = [_baseline(one, row.scenario) for one in (current, accepted)]
        if over[0] != over[1]:
            return NOT_JUDGED, f"speed-ups over {over[0]} and over {over[1]} do not compare"
        if row.baseline:
            return SKIPPED, "is the baseline that the others are judged by"
    else:
        others, values = base.figures, row.figures
        higher = METRICS[row.metric].higher_is_better
    if not values or not others:
        return NOT_JUDGED, "has no figures to judge"
    seed = current.seed
    slowdown = median_ratio(others, values, seed) if higher else median_ratio(values, others, seed)
    what = f"{row.metric} {_slowdown(slowdown)}, limit {limits.slowdown:+.1%}"
    if slowdown.low is None:
        few = f"too few rounds to judge ({slowdown.rounds}; {MIN_ROUNDS} are needed)"
        return NOT_JUDGED, f"{what}: {few}"
    return OK if slowdown.low - 1 <= limits.slowdown else WORSE, what


def _invalid(row: Row, base: Row) -> str:
    """Says in how many rounds a run was INVALID; empty for none."""
    counts = [
        f"in {one.invalid_rounds} of {len(one.measurements)} rounds {when}"
        for one, when in ((row, "now"), (base, "before"))
        if one.invalid_rounds
    ]
    return f", INVALID {' and '.join(counts)}" if counts else ""


def _baseline(comparison: Comparison, scenario: str) -> str | None:
    names = (row.name for row in comparison.rows if row.baseline and row.scenario == scenario)
    return next(names, None)


def _slowdown(estimate: Estimate) -> str:
    text = (
        f"{estimate.value - 1:+.1%} time"
        if estimate.value >= 1
        else f"{estimate.value - 1:.1%} time"
    )
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{estimate.low - 1:+.1%}, {estimate.high - 1:+.1%}]"


def _accuracy(row: Row, base: Row, limits: Limits) -> Sequence[Verdict]:
    if base.accuracy is None:
        what = "was not measured before, nothing to judge it by"
        return [] if row.accuracy is None else [_verdict(row, "accuracy", SKIPPED, what)]
    if row.accuracy is None:
        why = row.accuracy_note or "not measured"
        return [_verdict(row, "accuracy", WORSE, f"was measured before, now: {why}")]
    before, now = (f"{one.good}/{one.total}" for one in (base.accuracy, row.accuracy))
    if _images(row) != _images(base):
        what = f"{now} and {before} are of different images and do not compare"
        return [_verdict(row, "accuracy", WORSE, what)]
    drop = 100 * (base.accuracy.good - row.accuracy.good) / base.accuracy.total
    paired = _paired(row, base)
    interval = f" {points_interval(paired)}" if paired else ""
    # Not -drop, which would be -0.00 where nothing was lost.
    gain = f"{0 - drop:+.2f} points{interval}"
    what = f"{gain} ({before} to {now}), limit -{limits.accuracy_drop:g}"
    worse = drop > limits.accuracy_drop
    if limits.accuracy_by == BY_INTERVAL and paired is None:
        what += ", by the point: not both hold which images were answered right"
    elif limits.accuracy_by == BY_INTERVAL and paired is not None:
        worse = paired.high < -limits.accuracy_drop
        what += ", by the interval"
    return [_verdict(row, "accuracy", WORSE if worse else OK, what)]


def _paired(row: Row, base: Row) -> AccuracyDifference | None:
    """The difference image by image; None where a record does not hold which were right."""
    ours, before = _right(row), _right(base)
    return None if ours is None or before is None else compare_answers(ours, before)


def _right(row: Row) -> NDArray[np.bool_] | None:
    if row.accuracy is None or row.right_images is None:
        return None
    try:
        right = unpack(row.right_images, row.accuracy.total)
    except ValueError:
        return None
    return right if int(right.sum()) == row.accuracy.good else None


def _images(row: Row) -> tuple[object, ...]:
    dataset = row.subject.dataset if row.subject else {}
    return dataset.get("list_sha256"), dataset.get("count")


def _verdict(row: Row, subject: str, status: str, message: str) -> Verdict:
    return Verdict(row.name, row.scenario, subject, status, message)


def _remarks(current: Comparison, accepted: Comparison, limits: Limits) -> list[str]:
    remarks = []
    differing = [key for key in SAME_MACHINE if current.system.get(key) != accepted.system.get(key)]
    if differing and not limits.relative:
        remarks.append(
            f"the two were measured on different machines ({', '.join(differing)}): their times do "
            "not compare. Use --relative."
        )
    for name in ("queries_per_turn", "tests_per_run"):
        now, before = (getattr(one, name) or "no" for one in (current, accepted))
        if now != before:
            remarks.append(f"the two were measured differently, with {now} and {before} {name}.")
    return remarks + differing_settings(current, accepted)
