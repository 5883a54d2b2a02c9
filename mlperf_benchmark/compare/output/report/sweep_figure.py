"""The report's figure of a sweep: a metric over the values of an option."""

from collections.abc import Sequence

from mlperf_benchmark.compare.matrix import METRICS
from mlperf_benchmark.compare.output.report.canvas import LINE, PLOT, drawing
from mlperf_benchmark.compare.record import Row
from mlperf_benchmark.compare.sweeps import QPS, SWEEPS, Line, lines
from mlperf_benchmark.pages.style import LINES, Drawing, in_legend, new_figure, series

# Values that there is room to name each.
LABELLED = 10


def sweep_drawing(rows: Sequence[Row], axis: str) -> Drawing:
    """The metric over the axis, with intervals; over rates p50 and p99."""
    metric = METRICS[rows[0].metric]
    shown = ("p50", "p99") if axis == QPS else ()
    drawn = lines(rows, axis)
    figure, axes = new_figure(PLOT + LINE * sum(len(shown) or 1 for _ in drawn))
    for place, line in enumerate(drawn):
        style = series(place)
        for number, name in enumerate(shown or (None,)):
            values = [_over(row, name) for row in line.rows]
            for x, y, row in zip(line.values, values, line.rows, strict=True):
                bounds = row.estimate
                if name is None and bounds and bounds.low is not None and bounds.high is not None:
                    axes.vlines(x, bounds.low, bounds.high, color=style.colour, linewidth=1)
                if row.invalid_rounds:
                    axes.plot(
                        [x], [y], color=style.colour, marker=style.marker, markerfacecolor="none"
                    )
            axes.plot(
                line.values,
                values,
                color=style.colour,
                marker=style.marker,
                markersize=4,
                markevery=[not row.invalid_rounds for row in line.rows],
                linestyle=LINES[number],
                label=in_legend(line.name if name is None else f"{line.name}, {name}"),
            )
    every = sorted({value for line in drawn for value in line.values})
    if len(every) <= LABELLED:
        axes.set_xticks(every, [f"{value:g}" for value in every])
    axes.set_xlabel(SWEEPS[axis].label)
    axes.set_ylabel("latency, ms" if shown else metric.label)
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    what = (
        "p50 and, dashed, p99, each the median of the rounds"
        if shown
        else "The median of the rounds and its 95 % interval"
    )
    title = "Latency over rate" if shown else f"By {SWEEPS[axis].label}"
    return drawing(
        figure,
        rows[0].scenario,
        title,
        f"{what}. A hollow mark had INVALID runs.",
        "; ".join(f"{line.name}: {_told(line, shown)}" for line in drawn),
    )


def _over(row: Row, name: str | None) -> float:
    if name is not None:
        return (row.latency_ms or {})[name]
    return row.estimate.value if row.estimate else 0.0


def _told(line: Line, shown: Sequence[str]) -> str:
    return ", ".join(
        f"{value:g}: {' and '.join(f'{_over(row, name):.4g}' for name in shown or (None,))}"
        for value, row in zip(line.values, line.rows, strict=True)
    )
