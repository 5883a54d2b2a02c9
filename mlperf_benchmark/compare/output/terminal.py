"""The table on the terminal."""

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlperf_benchmark.compare.best import sentences
from mlperf_benchmark.compare.columns import Column, footnote, needed_columns, remarks
from mlperf_benchmark.compare.record import Comparison, Row
from mlperf_benchmark.core.legible import legible
from mlperf_benchmark.core.terminal import plain, say, warn

# A log has no width of its own; the table fits this one.
LOG_WIDTH = 120
# What the border and the padding add to a column.
FRAME = 3


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Title, table and what must be known of it.

    A table wider than the terminal becomes several, each beginning with the variants' names.
    """
    comparison = legible(comparison)
    columns, common = needed_columns(comparison)
    if not console.is_terminal:
        console = Console(file=console.file, width=LOG_WIDTH, quiet=console.quiet)
    console.print(plain(comparison.title, "bold"))
    for sentence in sentences(comparison):
        say(console, sentence)
    for part in _parts(columns, comparison.rows, console.width):
        table = Table()
        for column in part:
            table.add_column(
                column.title, justify="right" if column.number else "left", no_wrap=True
            )
        for row in comparison.rows:
            table.add_row(*(_cell(column, row) for column in part), style=_style(row))
        console.print(table)
    lines = [f"All rows: {common}."] if common else []
    for line in (*lines, footnote(comparison)):
        say(console, line)
    for sentence in comparison.explanation:
        say(console, sentence)
    for remark in remarks(comparison):
        warn(console, remark)


def _parts(columns: Sequence[Column], rows: Sequence[Row], width: int) -> list[list[Column]]:
    first, *others = columns
    parts = [[first]]
    used = _width(first, rows)
    for column in others:
        wanted = _width(column, rows)
        if used + wanted >= width and len(parts[-1]) > 1:
            parts.append([first])
            used = _width(first, rows)
        parts[-1].append(column)
        used += wanted
    return parts


def _width(column: Column, rows: Sequence[Row]) -> int:
    lines = (line for row in rows for line in _lines(column, row))
    return FRAME + max(map(len, (column.title, *lines)))


def _cell(column: Column, row: Row) -> Text:
    return Text("\n").join(plain(line) for line in _lines(column, row))


def _lines(column: Column, row: Row) -> list[str]:
    return textwrap.wrap(column.text(row), column.wrap) or [""]


def _style(row: Row) -> str:
    if row.failure is not None:
        return "red"
    return "bold" if row.baseline else ""
