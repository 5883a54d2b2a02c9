"""Whether a comparison is worse than an accepted one, judged by intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlperf_benchmark.compare.intervals import Estimate, median_ratio
from mlperf_benchmark.compare.matrix import METRICS
from mlperf_benchmark.compare.record import Comparison, Row

SAME_MACHINE = ("cpu_model", "usable_cpus", "memory_bytes")


@dataclass(frozen=True)
class Limits:
    """`slowdown` as a share, `accuracy_drop` in percentage points.

    `relative` judges each row's speed-up over its comparison's own baseline instead of its
    figures, which cancels what the machine does to both.
    """

    slowdown: float
    accuracy_drop: float
    relative: bool


@dataclass(frozen=True)
class Verdict:
    """On one property of one row. `passed` is None where there was nothing to judge."""

    name: str
    scenario: str
    subject: str
    passed: bool | None
    message: str

    def __str__(self) -> str:
        word = {True: "OK", False: "WORSE", None: "SKIPPED"}[self.passed]
        return f"{word} {self.name}, {self.scenario}, {self.subject}: {self.message}"


@dataclass(frozen=True)
class GateReport:
    """All verdicts, and what makes them doubtful."""

    verdicts: list[Verdict]
    remarks: list[str]

    @property
    def failed(self) -> bool:
        return any(verdict.passed is False for verdict in self.verdicts)


def judge(current: Comparison, accepted: Comparison, limits: Limits) -> GateReport:
    """Compare row by row, matched by name and scenario.

    A row is slower when the whole 95 % interval of its slow-down is above the limit: what may be
    noise does not fail. A row that failed or is missing now is worse than one that was measured.
    Accuracy is counted over the same images and has no noise, so the drop itself is judged.
    """
    rows = {row.key: row for row in current.rows}
    verdicts: list[Verdict] = []
    for base in accepted.rows:
        row = rows.pop(base.key, None)
        if base.failure is not None:
            verdicts.append(_verdict(base, "speed", None, f"had failed before: {base.failure}"))
        elif row is None:
            verdicts.append(_verdict(base, "speed", False, "is missing now"))
        elif row.failure is not None:
            verdicts.append(_verdict(base, "speed", False, f"fails now: {row.failure}"))
        else:
            verdicts.append(_speed(row, base, limits, current.seed))
            verdicts += _accuracy(row, base, limits)
    verdicts += [
        _verdict(row, "speed", None, "is new, nothing to judge it by") for row in rows.values()
    ]
    return GateReport(verdicts, _remarks(current, accepted, limits))


def _speed(row: Row, base: Row, limits: Limits, seed: int) -> Verdict:
    if row.metric != base.metric:
        return _verdict(row, "speed", False, f"{row.metric} cannot be judged by {base.metric}")
    if limits.relative:
        if row.baseline or base.baseline:
            return _verdict(row, "speed", None, "is the baseline that the others are judged by")
        values, others, higher = row.ratios, base.ratios, True
    else:
        values, others = row.figures, base.figures
        higher = METRICS[row.metric].higher_is_better
    if not values or not others:
        return _verdict(row, "speed", None, "has no figures to judge")
    slowdown = median_ratio(others, values, seed) if higher else median_ratio(values, others, seed)
    what = f"{row.metric} {_slowdown(slowdown)}, limit {limits.slowdown:+.1%}"
    if slowdown.low is None:
        return _verdict(row, "speed", None, f"{what}: too few rounds to judge")
    return _verdict(row, "speed", slowdown.low - 1 <= limits.slowdown, what)


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
        return []
    if row.accuracy is None:
        why = row.accuracy_note or "not measured"
        return [_verdict(row, "accuracy", False, f"was measured before, now: {why}")]
    before, now = (f"{one.good}/{one.total}" for one in (base.accuracy, row.accuracy))
    if _images(row) != _images(base):
        what = f"{now} and {before} are of different images and do not compare"
        return [_verdict(row, "accuracy", False, what)]
    drop = 100 * (base.accuracy.good - row.accuracy.good) / base.accuracy.total
    what = f"{-drop:+.2f} points ({before} to {now}), limit -{limits.accuracy_drop:g}"
    return [_verdict(row, "accuracy", drop <= limits.accuracy_drop, what)]


def _images(row: Row) -> tuple[object, ...]:
    dataset = row.subject.dataset if row.subject else {}
    return dataset.get("list_sha256"), dataset.get("count")


def _verdict(row: Row, subject: str, passed: bool | None, message: str) -> Verdict:
    return Verdict(row.name, row.scenario, subject, passed, message)


def _remarks(current: Comparison, accepted: Comparison, limits: Limits) -> list[str]:
    remarks = []
    differing = [key for key in SAME_MACHINE if current.system.get(key) != accepted.system.get(key)]
    if differing and not limits.relative:
        remarks.append(
            f"the two were measured on different machines ({', '.join(differing)}): their times do "
            "not compare. Use --relative."
        )
    turns = [one.queries_per_turn or "no" for one in (current, accepted)]
    if turns[0] != turns[1]:
        remarks.append(
            f"the two were measured differently, with {turns[0]} and {turns[1]} queries_per_turn."
        )
    return remarks
