"""What the report's figures share: their height, rows by name, legend and description."""

from collections.abc import Sequence
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlperf_benchmark.compare.record import Row
from mlperf_benchmark.pages.style import Drawing, name_label, to_svg

# In inches: the height of a plot and of a line of text.
PLOT = 2.9
LINE = 0.2
# Letters of the longest name of a legend in two columns, which would not fit the figure otherwise.
SHORT = 18
# Letters that fit beneath an axis and the names beside it.
LETTERS = 46


def rows_height(rows: Sequence[Row]) -> float:
    """Of horizontal marks or bars, one below the other."""
    return LINE * sum(2 + label(row).count("\n") for row in rows)


def name_rows(axes: Axes, rows: Sequence[Row]) -> None:
    """Beside the axis, the first on top."""
    axes.set_yticks(range(len(rows)), [label(row) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def accuracy_point(row: Row) -> tuple[float, float]:
    """The metric and top-1, in per cent, of a row that has both."""
    assert row.accuracy is not None
    assert row.estimate is not None
    return row.estimate.value, row.accuracy.top1


def label(row: Row) -> str:
    return name_label(row.name)


def wide_label(axes: Axes, text: str) -> None:
    """Beneath the axis and the names beside it, as a name may be longer than the axis."""
    axes.set_xlabel(fill(text, LETTERS, break_on_hyphens=False), loc="right")


def legend_height(rows: Sequence[Row]) -> float:
    lines = sum(label(row).count("\n") + 1 for row in rows)
    return LINE * (lines / _legend_columns(rows))


def _legend_columns(rows: Sequence[Row]) -> int:
    return 2 if max(len(row.name) for row in rows) <= SHORT else 1


def legend(axes: Axes, rows: Sequence[Row]) -> None:
    """Above the figure: inside it would cover data."""
    if len(rows) > 1:
        columns = _legend_columns(rows)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2)


def drawing(figure: Figure, scenario: str, title: str, caption: str, data: str) -> Drawing:
    name = f"{title} {scenario}".lower().replace(" ", "-")
    heading = f"{title}, {scenario}"
    alt = f"{heading}: {data}."
    return Drawing(name, heading, caption, alt, to_svg(figure, name, alt))
