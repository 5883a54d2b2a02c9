"""Tables of layers: their columns, which the page shows as well, and how the terminal has them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.table import Table

from mlperf_benchmark.core.terminal import plain

T = TypeVar("T")
NONE = "-"
WORST = 20
"""So many rows are printed where not all are asked for."""


@dataclass(frozen=True)
class Column(Generic[T]):
    """`number` is what a number column sorts by; None for text."""

    title: str
    text: Callable[[T], str]
    number: Callable[[T], float | None] | None = None


def table_of(columns: Sequence[Column[T]], rows: Iterable[T]) -> Table:
    """A row for each of `rows`."""
    table = Table()
    for column in columns:
        table.add_column(
            column.title, justify="right" if column.number else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(plain(column.text(row)) for column in columns))
    return table
