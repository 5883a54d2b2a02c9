"""The columns of the table, the same for every output."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlperf_benchmark.compare.accuracy_texts import (
    NONE,
    agreement_text,
    points_text,
    top1_text,
)
from mlperf_benchmark.compare.described import (
    MB,
    described,
    gmacs,
    making,
    megabytes,
    million_parameters,
    pruned,
    recovery,
    stored_precision,
)
from mlperf_benchmark.compare.intervals import NO_DIFFERENCE, TOO_FEW, Estimate
from mlperf_benchmark.compare.matrix import PEAK
from mlperf_benchmark.compare.record import Comparison, Row

OFFLINE = "Offline"


@dataclass(frozen=True)
class Column:
    """`text` for people, `number` to sort by and for programs (None: sorted as text).

    `field` is the name in results.csv; `constant` columns may be left out of a narrow table where
    all rows agree, and `detail` ones are in no table. Those `of_model` say what ran; they have a
    table of their own where one would be too wide. In a terminal a line of it is broken after
    `wrap` letters.
    """

    title: str
    field: str
    text: Callable[[Row], str]
    number: Callable[[Row], float | None] | None = None
    constant: bool = False
    wrap: int = 26
    detail: bool = False
    of_model: bool = False


def all_columns() -> tuple[Column, ...]:
    """From left to right: what answers first, then by how much it is asked for."""
    return (
        Column(
            "Variant", "variant", lambda row: row.name + (" (baseline)" if row.baseline else "")
        ),
        Column("Speed-up [95 %]", "speedup", speedup_text, _speedup, wrap=22),
        Column(
            "Top-1",
            "top1_percent",
            top1_text,
            lambda row: row.accuracy.top1 if row.accuracy else None,
        ),
        _latency("p50"),
        Column(
            "Points [95 %]",
            "accuracy_points",
            points_text,
            lambda row: row.accuracy_points,
            wrap=19,
        ),
        Column(
            "Agreement",
            "agreement_percent",
            agreement_text,
            lambda row: 100 * row.agreement.share if row.agreement else None,
            wrap=14,
        ),
        Column("Validity", "validity", validity_text, constant=True, wrap=14),
        _number("samples/s", "samples_per_second", ".1f", lambda row: row.samples_per_second),
        _number("Peak queries/s", "peak_qps", ".4g", _peak_rate),
        *(_latency(name) for name in ("p90", "p99")),
        _of_model("MB", "model_mb", ".1f", megabytes),
        _of_model("GMACs", "gmacs", ".2f", gmacs),
        _of_model("M parameters", "parameters_m", ".2f", million_parameters),
        _of_model("Made in s", "making_seconds", ".0f", lambda row: making(row, "seconds")),
        _of_model("Images", "making_images", ".0f", lambda row: making(row, "images")),
        _seconds("Read s", "read_seconds", detail=True),
        _seconds("Compile s", "compile_seconds", detail=True),
        _seconds("Start s", "first_answer_seconds"),
        Column("Memory (peak) MB", "memory_mb", _memory_text, _memory, wrap=12),
        _number("Peak MB", "peak_mb", ".0f", _peak, detail=True),
        Column(
            "Threads",
            "threads",
            lambda row: _backend(row, "threads"),
            lambda row: float(row.subject.backend["threads"]) if row.subject else None,
            constant=True,
        ),
        Column("Backend", "backend", lambda row: _backend(row, "name"), constant=True),
        _description("Pruned", pruned),
        _description("Algorithm", lambda row: described(row, "pruning", "method")),
        _description("Scope", lambda row: described(row, "pruning", "scope")),
        _description("Recovery", recovery),
        _description("Precision", stored_precision),
        _description("Quantizer", lambda row: described(row, "quantization", "quantizer")),
        Column(
            "Executed",
            "executed_precision",
            lambda row: _backend(row, "executed_precision"),
            constant=True,
        ),
        Column("Scenario", "scenario", lambda row: row.scenario, constant=True),
    )


def needed_columns(comparison: Comparison) -> tuple[tuple[Column, ...], str]:
    """Columns in which rows differ, and a line that says what all rows have in common.

    Rows of several scenarios have theirs beside their names.
    """
    rows = comparison.rows
    kept, common = [], []
    several = len({row.scenario for row in rows}) > 1
    for column in all_columns():
        if column.detail:
            continue
        if several and column.field in ("variant", "scenario"):
            if column.field == "variant":
                kept.append(dataclasses.replace(column, text=_variant_and_scenario))
            continue
        if column.field == "executed_precision" and all(map(_is_executed_as_stored, rows)):
            continue
        texts = {column.text(row) for row in rows if row.subject or column.text(row) != NONE}
        if len(texts) <= 1 and (column.constant or _has_no_figure(column, rows)):
            if texts and texts != {NONE}:
                common.append(f"{column.title.lower()} {texts.pop()}")
        elif texts != {NONE}:
            kept.append(column)
    return tuple(kept), "; ".join(common)


def model_columns(columns: Sequence[Column]) -> list[Column]:
    """Those of `columns` that say what ran, behind the variant's name; empty if there are none."""
    found = [column for column in columns if column.of_model]
    return [Column("Variant", "variant", _variant), *found] if found else []


def model_rows(rows: Sequence[Row]) -> list[Row]:
    """The first row of each variant that ran, whatever its scenario and sweep."""
    first: dict[str, Row] = {}
    for row in rows:
        if row.subject is not None:
            first.setdefault(_variant(row), row)
    return list(first.values())


def speedup_text(row: Row) -> str:
    """Ratio, interval and, where it shows none, that there is no difference."""
    if row.baseline and row.failure is None:
        return "1"
    speedup = row.speedup
    if speedup is None:
        return NONE
    if speedup.low is None:
        return f"{speedup.value:.3f}× ({TOO_FEW} for an interval)"
    text = f"{speedup.value:.3f}× {interval_text(speedup)}"
    return f"{text} {NO_DIFFERENCE}" if speedup.verdict == NO_DIFFERENCE else text


def interval_text(estimate: Estimate) -> str:
    """As [low, high]; empty where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"[{estimate.low:.3f}, {estimate.high:.3f}]"


def validity_text(row: Row) -> str:
    """VALID, or in how many rounds it was not; or that the row failed."""
    if row.failure is not None:
        return "FAILED"
    if row.not_run is not None:
        return "not run"
    if row.invalid_rounds:
        return f"INVALID in {row.invalid_rounds} of {len(row.measurements)} rounds"
    return "VALID" if row.measurements else NONE


def _variant_and_scenario(row: Row) -> str:
    return f"{row.name}, {row.scenario}{' (baseline)' if row.baseline else ''}"


def _variant(row: Row) -> str:
    # Early records have no name of the variant alone.
    return row.variant or row.name


def _has_no_figure(column: Column, rows: Sequence[Row]) -> bool:
    return column.number is not None and all(column.number(row) is None for row in rows)


def _number(
    title: str, field: str, form: str, number: Callable[[Row], float | None], detail: bool = False
) -> Column:
    """A column that shows its number in this form."""

    def text(row: Row) -> str:
        value = number(row)
        return NONE if value is None else format(value, form)

    return Column(title, field, text, number, detail=detail)


def _of_model(title: str, field: str, form: str, number: Callable[[Row], float | None]) -> Column:
    return dataclasses.replace(_number(title, field, form, number), of_model=True)


def _description(title: str, text: Callable[[Row], str]) -> Column:
    return Column(title, title.lower(), text, constant=True, of_model=True)


def _latency(name: str) -> Column:
    def figure(row: Row) -> float | None:
        # LoadGen counts Offline latencies from the start of the one query.
        return None if row.latency_ms is None or row.scenario == OFFLINE else row.latency_ms[name]

    return _number(f"{name} ms", f"latency_{name}_ms", ".2f", figure)


def _seconds(title: str, name: str, *, detail: bool = False) -> Column:
    def figure(row: Row) -> float | None:
        return None if row.cold_start is None else getattr(row.cold_start, name)

    return _number(title, name, ".2f", figure, detail=detail)


def _memory_text(row: Row) -> str:
    """What the model adds, and the peak of its process."""
    return NONE if row.memory is None else f"{_memory(row):.0f} ({_peak(row):.0f})"


def _memory(row: Row) -> float | None:
    return None if row.memory is None else row.memory.model_bytes / MB


def _peak(row: Row) -> float | None:
    return None if row.memory is None else row.memory.peak_bytes / MB


def _speedup(row: Row) -> float | None:
    if row.baseline and row.failure is None:
        return 1.0
    return row.speedup.value if row.speedup else None


def _peak_rate(row: Row) -> float | None:
    return row.estimate.value if row.estimate and row.metric == PEAK.name else None


def _backend(row: Row, key: str) -> str:
    return NONE if row.subject is None else str(row.subject.backend[key])


def _is_executed_as_stored(row: Row) -> bool:
    """Whether the precision of the model says it all: fp32 for f32, int8 for int8."""
    stored = stored_precision(row).replace("fp", "f")
    return row.subject is None or stored == _backend(row, "executed_precision")
