"""report.html: one file that needs no other and no network."""

import shlex
from pathlib import Path

from mlperf_benchmark.compare.best import sentences
from mlperf_benchmark.compare.columns import model_columns, model_rows, needed_columns
from mlperf_benchmark.compare.output.report.figures import drawings
from mlperf_benchmark.compare.record import Comparison, Row
from mlperf_benchmark.compare.remarks import footnote, remarks
from mlperf_benchmark.core.legible import legible
from mlperf_benchmark.pages.rendering import facts, render_page


def render(comparison: Comparison) -> str:
    """The page as HTML. Everything that is not a figure of ours is escaped."""
    comparison = legible(comparison)
    columns, common = needed_columns(comparison)
    return render_page(
        Path(__file__).parent,
        comparison.title,
        facts(comparison.system, comparison.product, comparison.created),
        comparison=comparison,
        measured=[column for column in columns if not column.of_model],
        described=model_columns(columns),
        models=model_rows(comparison.rows),
        common=common,
        row_class=_row_class,
        sentences=sentences(comparison),
        footnote=footnote(comparison),
        remarks=remarks(comparison),
        drawings=drawings(comparison),
        commands=[
            (f"{row.name}, {row.scenario}", shlex.join(row.command))
            for row in comparison.rows
            if row.not_run is None
        ],
        command=shlex.join(["python3", *comparison.command]),
    )


def _row_class(row: Row) -> str:
    if row.failure:
        return "failed"
    return "baseline" if row.baseline else "variant"
