"""The fastest variants of a comparison within a constraint, in a sentence."""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mlperf_benchmark.compare.columns import all_columns, validity_text
from mlperf_benchmark.compare.intervals import TOO_FEW, Estimate, median
from mlperf_benchmark.compare.matrix import METRICS, PEAK, THROUGHPUT, Metric
from mlperf_benchmark.compare.record import Best, Comparison, Row
from mlperf_benchmark.compare.round_figures import ratios_by_round
from mlperf_benchmark.compare.sweeps import QPS, SWEEPS
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.registry import known_name

DROP = "accuracy_drop"
DEFAULT = f"{DROP} <= 0.5"
NO_CONSTRAINT = "none"
SIGNS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
)
LIMIT = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(\S+)\s*")


@dataclass(frozen=True)
class Limit:
    """A limit on one figure of a row, such as memory_mb <= 100."""

    figure: str
    sign: str
    value: float

    def __str__(self) -> str:
        return f"{self.figure} {self.sign} {self.value:.12g}"

    def holds(self, row: Row) -> bool | None:
        """Whether the row keeps the limit; None where it lacks the figure."""
        value = figures()[self.figure](row)
        return None if value is None else SIGNS[self.sign](value, self.value)


def figures() -> Mapping[str, Callable[[Row], float | None]]:
    """What a constraint may name: the numbers of results.csv, and the drop of accuracy."""
    numbers = {column.field: column.number for column in all_columns() if column.number}
    return numbers | {DROP: _drop}


def parse_constraint(text: str) -> tuple[Limit, ...]:
    """Limits with commas between them, or "none". Raises UsageError, which names the nearest."""
    return () if text == NO_CONSTRAINT else tuple(_limit(part) for part in text.split(","))


def check_best(constraint: str | None, metric: str | None) -> None:
    """Raises UsageError for a constraint or a metric that there is not."""
    if constraint is not None:
        parse_constraint(constraint)
    if metric is not None:
        known_name("metric", metric, METRICS)


def answers(
    comparison: Comparison, constraint: str | None = None, metric: str | None = None
) -> list[Best]:
    """One for each scenario, and in a sweep of Server's rates one for each of them: a latency at
    10 queries/s says nothing of one at 100. What is not given is as the comparison was asked, or
    the default: `DEFAULT` where accuracy was measured, and the metric that the rows were compared
    by.
    """
    asked = {best.scenario: best for best in comparison.best}
    found = []
    run = [row for row in comparison.rows if row.not_run is None]
    for question in dict.fromkeys(map(_question, run)):
        rows = [row for row in run if _question(row) == question]
        scenario = rows[0].scenario
        before = asked.get(scenario)
        text = constraint or (before.constraint if before else _default(rows))
        by = METRICS[metric or (before.metric if before else rows[0].metric)]
        if scenario == "Offline":
            by = THROUGHPUT
        elif by == PEAK and rows[0].metric != PEAK.name:
            by = METRICS[rows[0].metric]
        found.append(_best(rows, parse_constraint(text), by, comparison))
    return found


def _question(row: Row) -> tuple[str, float | None]:
    """Rows with the same scenario and rate stand against each other."""
    return row.scenario, row.sweep.get(QPS)


def sentences(comparison: Comparison) -> list[str]:
    """The stored sentences; for a record that has none, those that `answers` gives now."""
    return [best.sentence for best in comparison.best or answers(comparison)]


def _limit(text: str) -> Limit:
    match = LIMIT.fullmatch(text)
    if match is None:
        raise UsageError(
            f'"{text.strip()}" is not a constraint; write figures with their limits, such as '
            f'"{DEFAULT}, memory_mb <= 100", or "{NO_CONSTRAINT}".'
        )
    name, sign, number = match.groups()
    known_name("figure in the constraint", name, figures())
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f'"{number}" is not a number: {name} {sign} takes one without a unit.')
    return Limit(name, sign, value)


def _default(rows: Sequence[Row]) -> str:
    return DEFAULT if any(_points(row) is not None for row in rows) else NO_CONSTRAINT


def _best(
    rows: Sequence[Row], limits: Sequence[Limit], metric: Metric, comparison: Comparison
) -> Best:
    excluded: dict[str, str] = {}
    within: list[tuple[Row, Estimate]] = []
    for row in rows:
        base = next((one for one in rows if one.baseline), None)
        speedup = _speedup(row, base, metric, comparison.seed)
        flaw = _flaw(row, base, limits, speedup)
        if flaw is not None:
            excluded[row.name] = flaw
        elif speedup is not None and all(limit.holds(row) for limit in limits):
            within.append((row, speedup))
    first = _first(within)
    several = len({_question(one) for one in comparison.rows if one.not_run is None}) > 1
    where = f" in {_where(*_question(rows[0]))}" if several else ""
    return Best(
        scenario=rows[0].scenario,
        metric=metric.name,
        constraint=", ".join(map(str, limits)) or NO_CONSTRAINT,
        names=[row.name for row, _ in first],
        excluded=excluded,
        sentence=_sentence(rows, first, limits, where + _by(metric)) + _left_out(excluded),
    )


def _where(scenario: str, qps: float | None) -> str:
    return scenario if qps is None else f"{scenario} at {SWEEPS[QPS].text(qps)}"


def _speedup(row: Row, base: Row | None, metric: Metric, seed: int) -> Estimate | None:
    if row.baseline:
        return Estimate(1, 1, 1, len(row.measurements)) if row.measurements else None
    if metric.name == row.metric or base is None:
        return row.speedup
    ratios = ratios_by_round(row.measurements, base.measurements, metric)
    return median(ratios, seed) if ratios else None


def _flaw(
    row: Row, base: Row | None, limits: Sequence[Limit], speedup: Estimate | None
) -> str | None:
    """The reason why the row cannot be ranked, or None."""
    if row.failure is not None or row.invalid_rounds:
        return validity_text(row)
    if speedup is None:
        return "no speed-up"
    if base is not None and base.invalid_rounds:
        return f"the baseline is {validity_text(base)}"
    missing = next((limit.figure for limit in limits if limit.holds(row) is None), None)
    if missing == DROP:
        # Why its run failed is told beneath the table.
        note = "its run failed" if row.accuracy_failed else row.accuracy_note
        return f"no accuracy: {note}" if note else "no accuracy to compare"
    return None if missing is None else f"no {missing}"


def _first(within: Sequence[tuple[Row, Estimate]]) -> list[tuple[Row, Estimate]]:
    """The fastest, and those whose intervals overlap with its own."""
    ordered = sorted(within, key=lambda pair: -pair[1].value)
    return [pair for pair in ordered if _end(pair[1].high, pair[1]) >= _lowest(ordered[0][1])]


def _lowest(estimate: Estimate) -> float:
    return _end(estimate.low, estimate)


def _end(end: float | None, estimate: Estimate) -> float:
    return estimate.value if end is None else end


def _sentence(
    rows: Sequence[Row],
    first: Sequence[tuple[Row, Estimate]],
    limits: Sequence[Limit],
    what: str,
) -> str:
    if not first:
        return f"There is no variant to name{what}{_within(limits)}."
    unknown = all(_points(row) is None for row in rows)
    measured = any(row.accuracy is not None for row in rows)
    told = "; ".join(_told(row, speedup) for row, speedup in first)
    shared = ", with intervals that overlap" if len(first) > 1 else ""
    doubt = f" (accuracy not {'compared' if measured else 'measured'})" if unknown else ""
    return f"Fastest{what}{_within(limits)}{doubt}{shared}: {told}."


def _by(metric: Metric) -> str:
    return "" if metric.name in ("p50", THROUGHPUT.name) else f" by {metric.name}"


def _within(limits: Sequence[Limit]) -> str:
    drops = [limit for limit in limits if limit.figure == DROP and limit.sign == "<="]
    others = [str(limit) for limit in limits if limit not in drops]
    words = [f" within {limit.value:g} points of the baseline" for limit in drops]
    return "".join(words) + (f" with {' and '.join(others)}" if others else "")


def _told(row: Row, speedup: Estimate) -> str:
    if row.baseline:
        return f"{row.name}, the baseline"
    parts = [row.name, _ratio(speedup)]
    points = _points(row)
    if points is not None:
        parts.append(f"{_signed(points)} points{_points_interval(row)}")
    return ", ".join(parts)


def _ratio(speedup: Estimate) -> str:
    text = f"{speedup.value:.2f} ×"
    if speedup.low is None or speedup.high is None:
        return f"{text} ({TOO_FEW} for an interval)"
    return f"{text} [{speedup.low:.2f}, {speedup.high:.2f}]"


def _points(row: Row) -> float | None:
    return row.accuracy_points


def _points_interval(row: Row) -> str:
    difference = row.accuracy_difference
    if difference is None:
        return ""
    return f" [{_signed(difference.low)}, {_signed(difference.high)}]"


def _drop(row: Row) -> float | None:
    points = _points(row)
    return None if points is None else -points


def _signed(points: float) -> str:
    return f"{points:+.2f}".replace("-", "\N{MINUS SIGN}")


def _left_out(excluded: Mapping[str, str]) -> str:
    told = ", ".join(f"{name} ({why})" for name, why in excluded.items())
    return f" Left out: {told}." if told else ""
