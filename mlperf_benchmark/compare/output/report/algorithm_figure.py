"""The report's figure of pruning algorithms: accuracy over speed, a line for each algorithm."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from mlperf_benchmark.compare.accuracy_texts import top1_text
from mlperf_benchmark.compare.described import algorithm, architecture, gmacs, is_pruned
from mlperf_benchmark.compare.matrix import METRICS
from mlperf_benchmark.compare.output.report.canvas import (
    LINE,
    PLOT,
    accuracy_point,
    drawing,
)
from mlperf_benchmark.compare.record import Row
from mlperf_benchmark.pages.style import SERIES, Drawing, new_figure, series


@dataclass(frozen=True)
class Curve:
    """An algorithm's models, sorted by speed."""

    name: str
    rows: list[Row]

    @property
    def points(self) -> list[tuple[float, float]]:
        """The metric and top-1 in per cent of each."""
        return [accuracy_point(row) for row in self.rows]

    @property
    def line(self) -> list[tuple[float, float]]:
        """The same, models of one size (such as those of several seeds) by their mean."""
        by_size: dict[float | None, list[tuple[float, float]]] = {}
        for row, point in zip(self.rows, self.points, strict=True):
            by_size.setdefault(gmacs(row), []).append(point)
        return sorted(
            (fmean(xs), fmean(ys)) for xs, ys in (zip(*of, strict=True) for of in by_size.values())
        )


def algorithm_drawing(rows: Sequence[Row]) -> Drawing | None:
    """None where no algorithm has two pruned models whose accuracy is known."""
    curves = _curves([row for row in rows if row.accuracy is not None and row.estimate is not None])
    if not any(len(curve.rows) > 1 and is_pruned(curve.rows[0]) for curve in curves):
        return None
    figure, axes = new_figure(PLOT + 1 + LINE * len(curves))
    for place, curve in enumerate(curves):
        style = series(place)
        # Styles repeat: the second time marks are hollow.
        face = style.colour if place < len(SERIES) else "none"
        marks: dict[str, Any] = {
            "color": style.colour,
            "marker": style.marker,
            "markersize": 5,
            "markerfacecolor": face,
        }
        axes.plot(*zip(*curve.line, strict=True), color=style.colour, linestyle=style.line)
        axes.plot(*zip(*curve.points, strict=True), linestyle="none", **marks)
        axes.plot([], [], linestyle=style.line, label=curve.name, **marks)
    metric = METRICS[rows[0].metric]
    axes.margins(0.05)
    axes.set_xlabel(metric.label)
    axes.set_ylabel("top-1, %")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    good = "right" if metric.higher_is_better else "left"
    return drawing(
        figure,
        rows[0].scenario,
        "Accuracy of algorithms",
        f"Better is up and to the {good}. A pruned model is worth its making where it lies above "
        "the line of the unpruned models. The table has the intervals.",
        "; ".join(f"{curve.name}: {_told(curve)}" for curve in curves),
    )


def _curves(rows: Sequence[Row]) -> list[Curve]:
    """The unpruned models of all architectures make one line: it is what pruning has to beat."""
    architectures = {architecture(row) for row in rows if is_pruned(row)}
    curves: dict[str, list[Row]] = {}
    for row in rows:
        name = algorithm(row)
        if is_pruned(row) and len(architectures) > 1:
            name = f"{architecture(row)}, {name}"
        curves.setdefault(name, []).append(row)
    return [Curve(name, members) for name, members in curves.items()]


def _told(curve: Curve) -> str:
    return ", ".join(
        f"{row.name} {top1_text(row)} at {accuracy_point(row)[0]:.4g}"
        for row in sorted(curve.rows, key=accuracy_point)
    )
