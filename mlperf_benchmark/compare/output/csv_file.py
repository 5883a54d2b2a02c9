"""results.csv: a line a row, plain numbers, empty where there is none."""

import csv
import io

from mlperf_benchmark.compare.columns import all_columns
from mlperf_benchmark.compare.record import Comparison, Row
from mlperf_benchmark.core.legible import legible

EXTRA = (
    "speedup_low",
    "speedup_high",
    "points_low",
    "points_high",
    "cosine",
    "good",
    "total",
    "rounds",
    "failure",
)


def render(comparison: Comparison) -> str:
    """With CRLF, as RFC 4180 has it."""
    comparison = legible(comparison)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*(column.field for column in all_columns()), *EXTRA])
    for row in comparison.rows:
        values: list[object] = []
        for column in all_columns():
            if column.number is not None:
                values.append(_plain(column.number(row)))
            else:
                values.append(row.name if column.field == "variant" else column.text(row))
        writer.writerow([*values, *_extra(row)])
    return text.getvalue()


def _extra(row: Row) -> list[object]:
    return [
        _plain(row.speedup.low if row.speedup else None),
        _plain(row.speedup.high if row.speedup else None),
        _plain(row.accuracy_difference.low if row.accuracy_difference else None),
        _plain(row.accuracy_difference.high if row.accuracy_difference else None),
        _plain(row.agreement.cosine if row.agreement else None),
        row.accuracy.good if row.accuracy else "",
        row.accuracy.total if row.accuracy else "",
        len(row.measurements),
        row.failure or row.not_run or "",
    ]


def _plain(value: float | None) -> object:
    return "" if value is None else value
