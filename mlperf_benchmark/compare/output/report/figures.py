"""The report's figures. Each function draws one, or None where there is nothing to draw."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.patches import Patch

from mlperf_benchmark.compare.accuracy_texts import agreement_text, points_text, top1_text
from mlperf_benchmark.compare.columns import OFFLINE, speedup_text
from mlperf_benchmark.compare.matrix import METRICS
from mlperf_benchmark.compare.output.report.algorithm_figure import algorithm_drawing
from mlperf_benchmark.compare.output.report.bars import (
    BarChart,
    cold_start_chart,
    memory_chart,
)
from mlperf_benchmark.compare.output.report.canvas import (
    PLOT,
    accuracy_point,
    drawing,
    label,
    legend,
    legend_height,
    name_rows,
    rows_height,
    wide_label,
)
from mlperf_benchmark.compare.output.report.sweep_figure import sweep_drawing
from mlperf_benchmark.compare.record import Comparison, Row
from mlperf_benchmark.compare.sweeps import QPS, swept
from mlperf_benchmark.pages.style import GRID, TEXT, Drawing, new_figure, page_style, series

BAR = 0.7
# Opacity of the parts of a bar.
STRENGTHS = (1.0, 0.65, 0.4, 0.25)
# LoadGen's percentiles as points of the distribution function.
SHARES = (
    ("min", 0.0),
    ("p50", 0.5),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p97", 0.97),
    ("p99", 0.99),
    ("p99.9", 0.999),
)


def drawings(comparison: Comparison) -> list[Drawing]:
    """All figures that the comparison has data for."""
    measured = [row for row in comparison.rows if row.failure is None and row.measurements]
    scenarios = list(dict.fromkeys(row.scenario for row in measured))
    # One that failed is the baseline all the same.
    baselines = {row.scenario: row.name for row in comparison.rows if row.baseline}
    if any(QPS in row.sweep for row in comparison.rows):
        baselines["Server"] = "the baseline at the same rate"
    found: list[Drawing | None] = []
    with page_style():
        for scenario in scenarios:
            rows = [row for row in measured if row.scenario == scenario]
            found += [
                _speedups(rows, baselines[scenario]),
                _distribution(rows),
                algorithm_drawing(rows) or _pareto(rows),
                _agreements(rows, baselines[scenario]),
                _rounds(rows),
                _bars(rows, cold_start_chart(rows)),
                _bars(rows, memory_chart(rows)),
                *(sweep_drawing(rows, axis) for axis in swept(rows)),
            ]
    return [one for one in found if one is not None]


def _speedups(rows: Sequence[Row], baseline: str) -> Drawing | None:
    compared = [row for row in rows if row.speedup is not None]
    if not compared:
        return None
    figure, axes = new_figure(0.9 + rows_height(compared))
    for place, row in enumerate(compared):
        speedup = row.speedup
        assert speedup is not None
        style = series(rows.index(row))
        low, high = speedup.low or speedup.value, speedup.high or speedup.value
        axes.plot([low, high], [place, place], color=style.colour, linewidth=3)
        axes.plot([speedup.value], [place], color=style.colour, marker=style.marker)
    axes.axvline(1, color=TEXT, linestyle="--", linewidth=1)
    name_rows(axes, compared)
    wide_label(axes, f"times as fast as {baseline}")
    return drawing(
        figure,
        rows[0].scenario,
        "Speed-up",
        "Median of the rounds' ratios and its 95 % interval; an interval across the dashed line "
        "shows no difference.",
        "; ".join(f"{row.name} {speedup_text(row)}" for row in compared),
    )


def _distribution(rows: Sequence[Row]) -> Drawing | None:
    if rows[0].scenario == OFFLINE:
        return None
    figure, axes = new_figure(PLOT + legend_height(rows))
    for place, row in enumerate(rows):
        style, latency = series(place), row.latency_ms or {}
        axes.plot(
            [latency[name] for name, _ in SHARES],
            [100 * share for _, share in SHARES],
            color=style.colour,
            marker=style.marker,
            linestyle=style.line,
            markersize=4,
            label=label(row),
        )
    axes.set_xlabel("latency, ms")
    axes.set_ylabel("answered within, %")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 102)
    legend(axes, rows)
    return drawing(
        figure,
        rows[0].scenario,
        "Latency distribution",
        "Cumulative: LoadGen's percentiles, each the median of the rounds, joined by lines.",
        "; ".join(
            f"{row.name} p50 {_figure_of(row, 'p50')}, p90 {_figure_of(row, 'p90')}, "
            f"p99 {_figure_of(row, 'p99')} ms"
            for row in rows
        ),
    )


def _pareto(rows: Sequence[Row]) -> Drawing | None:
    known = [row for row in rows if row.accuracy is not None and row.estimate is not None]
    if not known:
        return None
    figure, axes = new_figure(PLOT + legend_height(rows))
    metric = METRICS[rows[0].metric]
    points = [accuracy_point(row) for row in known]
    for row, (speed, top1) in zip(known, points, strict=True):
        style = series(rows.index(row))
        axes.plot([speed], [top1], color=style.colour, marker=style.marker, linestyle="none")
        axes.lines[-1].set_label(label(row))
        ends = _top1_interval(row)
        if ends is not None:
            axes.plot([speed, speed], ends, color=style.colour, linewidth=1.2, alpha=0.7)
    front = pareto_front(points, higher_is_better=metric.higher_is_better)
    axes.plot(*zip(*front, strict=True), color=GRID, drawstyle="default", zorder=1)
    axes.margins(0.15)
    axes.set_xlabel(metric.label)
    axes.set_ylabel("top-1, %")
    legend(axes, rows)
    good = "right" if metric.higher_is_better else "left"
    return drawing(
        figure,
        rows[0].scenario,
        "Accuracy against speed",
        f"Better is up and to the {good}. The grey line joins the variants that no other one beats "
        "in both. Vertical lines: the 95 % interval of top-1, from the difference to the baseline "
        "on the same images.",
        "; ".join(
            f"{row.name} {top1_text(row)} at {speed:.4g} {metric.label}, points {points_text(row)}"
            for row, (speed, _) in zip(known, points, strict=True)
        ),
    )


def _top1_interval(row: Row) -> tuple[float, float] | None:
    """Lowest and highest top-1 by the difference to the baseline; None without one."""
    difference = row.accuracy_difference
    if row.accuracy is None or difference is None:
        return None
    baseline = row.accuracy.top1 - difference.points
    return max(0.0, baseline + difference.low), min(100.0, baseline + difference.high)


def _agreements(rows: Sequence[Row], baseline: str) -> Drawing | None:
    compared = [row for row in rows if row.agreement is not None]
    if not compared:
        return None
    figure, axes = new_figure(0.9 + rows_height(compared))
    for place, row in enumerate(compared):
        found = row.agreement
        assert found is not None
        colour = series(rows.index(row)).colour
        axes.barh(place, 100 * found.share, height=0.45, color=colour)
    name_rows(axes, compared)
    axes.set_xlim(0, 100)
    wide_label(axes, f"images with the answer of {baseline}, %")
    notes = {row.agreement.note: None for row in compared if row.agreement and row.agreement.note}
    return drawing(
        figure,
        rows[0].scenario,
        "Agreement",
        "How often the top-1 is the baseline's, which needs no labels. "
        + (f"It is {'; '.join(notes)}." if notes else "Where the two differ, either may be right."),
        "; ".join(f"{row.name} {agreement_text(row)}" for row in compared),
    )


def pareto_front(
    points: Sequence[tuple[float, float]], higher_is_better: bool
) -> list[tuple[float, float]]:
    """Of (speed, accuracy) points those that no other one beats in both, sorted by speed."""
    front: list[tuple[float, float]] = []
    # From the fastest on, a point belongs to it where it is more accurate than all before.
    for point in sorted(points, key=lambda one: (-one[0] if higher_is_better else one[0], -one[1])):
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return front


def _rounds(rows: Sequence[Row]) -> Drawing | None:
    start = min(run.started for row in rows for run in row.measurements)
    figure, axes = new_figure(PLOT + legend_height(rows))
    for place, row in enumerate(rows):
        style = series(place)
        axes.plot(
            [(run.started - start) / 60 for run in row.measurements],
            row.figures,
            color=style.colour,
            marker=style.marker,
            linestyle=style.line,
            markersize=4,
            label=label(row),
        )
    axes.set_xlabel("minutes since the first run")
    axes.set_ylabel(METRICS[rows[0].metric].label)
    axes.set_ylim(bottom=0)
    legend(axes, rows)
    return drawing(
        figure,
        rows[0].scenario,
        "Rounds over time",
        "Every run. What moves all lines together is the machine, not a variant.",
        "; ".join(_course(row) for row in rows),
    )


def _bars(rows: Sequence[Row], chart: BarChart | None) -> Drawing | None:
    """A variant's bars have its colour, their parts different strengths of it."""
    if chart is None:
        return None
    count = len(chart.rows)
    figure, axes = new_figure(1.1 + rows_height(chart.rows))
    colours = [series(rows.index(row)).colour for row in chart.rows]
    start = [0.0] * count
    thickness = BAR if chart.stacked else BAR / len(chart.parts)
    for number, values in enumerate(chart.parts.values()):
        shift = 0.0 if chart.stacked else (number - (len(chart.parts) - 1) / 2) * thickness
        places = [place + shift for place in range(count)]
        strength = STRENGTHS[number % len(STRENGTHS)]
        axes.barh(places, values, thickness, left=start, color=colours, alpha=strength)
        if chart.stacked:
            start = [one + other for one, other in zip(start, values, strict=True)]
    name_rows(axes, chart.rows)
    axes.set_xlim(left=0)
    axes.set_xlabel(chart.unit)
    handles = [
        Patch(color=TEXT, alpha=STRENGTHS[number % len(STRENGTHS)], label=name)
        for number, name in enumerate(chart.parts)
    ]
    # Over the names, too, which may leave little room above the bars.
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), handlelength=1.2)
    return drawing(
        figure,
        rows[0].scenario,
        chart.title,
        chart.caption,
        "; ".join(chart.told(place) for place in range(count)),
    )


def _course(row: Row) -> str:
    values = row.figures
    changes = [abs(second / first - 1) for first, second in pairwise(values) if first]
    largest = f", largest change between two rounds {max(changes):.0%}" if changes else ""
    return f"{row.name} from {min(values):.4g} to {max(values):.4g}{largest}"


def _figure_of(row: Row, name: str) -> str:
    return f"{(row.latency_ms or {})[name]:.2f}"
