"""The table on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlperf_benchmark.compare.columns import Column, footnote, needed_columns, remarks
from mlperf_benchmark.compare.record import Comparison, Row

# A log has no width of its own.
LOG_WIDTH = 240
# What the border and the padding add to a column.
FRAME = 3


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Title, table and what must be known of it.

    A table wider than the terminal becomes several, each beginning with the variants' names.
    """
    columns, common = needed_columns(comparison)
    if not console.is_terminal:
        console = Console(file=console.file, width=LOG_WIDTH)
    console.print(f"[bold]{escape(comparison.title)}[/]")
    for part in _parts(columns, comparison.rows, console.width):
        table = Table()
        for column in part:
            table.add_column(
                column.title, justify="right" if column.number else "left", no_wrap=True
            )
        for row in comparison.rows:
            table.add_row(*(escape(column.text(row)) for column in part), style=_style(row))
        console.print(table)
    lines = [f"All rows: {common}."] if common else []
    for line in (*lines, footnote(comparison)):
        console.print(escape(line), soft_wrap=True, highlight=False)
    for remark in remarks(comparison):
        console.print(f"[yellow]Warning:[/] {escape(remark)}", soft_wrap=True, highlight=False)


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
    return FRAME + max(len(column.title), *(len(column.text(row)) for row in rows))


def _style(row: Row) -> str:
    if row.failure is not None:
        return "red"
    return "bold" if row.baseline else ""
