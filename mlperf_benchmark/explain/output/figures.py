"""The page's figures: the roofline, and bars of layers side by side."""

import itertools
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from mlperf_benchmark.explain.output.sentences import MEGABYTE
from mlperf_benchmark.explain.pairs import fused_into
from mlperf_benchmark.explain.record import Explanation, LayerRecord, Peaks, Variant
from mlperf_benchmark.explain.roofline import OPERATIONS
from mlperf_benchmark.pages.style import (
    LINES,
    TEXT,
    Drawing,
    name_label,
    new_figure,
    page_style,
    series,
    to_svg,
)

SHOWN = 25
"""Operators that there is room for; the tables have all."""

TOLD = 5
LINE = 0.17
BAR = 0.8


def drawings(explanation: Explanation) -> list[Drawing]:
    with page_style():
        found = [_roofline(explanation), _bars(explanation.variants)]
    return [drawing for drawing in found if drawing is not None]


def _bars(variants: Sequence[Variant]) -> Drawing:
    times = [_by_operator(variant) for variant in variants]
    operators = list(dict.fromkeys(name for each in times for name in each))
    longest = sorted(operators, key=lambda name: -max(each.get(name, 0.0) for each in times))
    # The longest, but in the order of their execution.
    shown = [name for name in operators if name in longest[:SHOWN]]
    figure, axes = new_figure(1.0 + LINE * len(shown) * (len(variants) + 0.6))
    thickness = BAR / len(variants)
    for number, (variant, each) in enumerate(zip(variants, times, strict=True)):
        shift = (number - (len(variants) - 1) / 2) * thickness
        places = [place + shift for place in range(len(shown))]
        values = [each.get(name, 0.0) for name in shown]
        colour = series(number).colour
        axes.barh(places, values, thickness, color=colour, label=name_label(variant.name))
    axes.set_yticks(range(len(shown)), [name_label(name) for name in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("ms")
    if len(variants) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1, borderaxespad=0.2)
    told = "; ".join(
        f"{name} "
        + ", ".join(
            _told(variant, name, each) for variant, each in zip(variants, times, strict=True)
        )
        for name in longest[:TOLD]
    )
    return _drawing(
        figure,
        "Time of layers",
        f"Milliseconds of the {len(shown)} operators that take longest, in the order of their "
        "execution. What has no bar is computed within another layer, or does not exist.",
        told,
    )


def _told(variant: Variant, operator: str, times: dict[str, float]) -> str:
    if operator in times:
        return f"{times[operator]:.3f} ms in {variant.name}"
    place = fused_into(variant, operator)
    return f"within {place} in {variant.name}" if place else f"none in {variant.name}"


def _by_operator(variant: Variant) -> dict[str, float]:
    times: dict[str, float] = {}
    for layer in variant.layers:
        times[layer.operator] = times.get(layer.operator, 0.0) + layer.ms.value
    return times


def _roofline(explanation: Explanation) -> Drawing | None:
    points = [
        (number, layer)
        for number, variant in enumerate(explanation.variants)
        for layer in variant.layers
        if layer.gops
    ]
    if not points:
        return None
    peaks = explanation.peaks
    ends = (peaks.streams[0], peaks.streams[-1])
    named = len(explanation.variants) + len(peaks.gops) + len(ends)
    figure, axes = new_figure(3.0 + 0.2 * named)
    xs = [_intensity(layer) for _, layer in points]
    left, right = min(xs) / 2, max(xs) * 2
    for number, variant in enumerate(explanation.variants):
        of_variant = [layer for place, layer in points if place == number]
        axes.plot(
            [_intensity(layer) for layer in of_variant],
            [layer.gops or 0.0 for layer in of_variant],
            color=series(number).colour,
            marker=series(number).marker,
            linestyle="none",
            markersize=4,
            label=name_label(variant.name),
        )
    lines = itertools.cycle(LINES)
    for precision, peak in peaks.gops.items():
        label = f"{precision}: {peak:.0f} GOP/s"
        _line(axes, (left, right), (peak, peak), next(lines), label)
    top = max(peaks.gops.values())
    for stream in ends:
        speed = stream.gigabytes_per_second
        end = min(right, top / speed)
        label = f"reading {stream.bytes / MEGABYTE:.1f} MB: {speed:.0f} GB/s"
        _line(axes, (left, end), (speed * left, speed * end), next(lines), label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_Plain())
        axis.set_minor_formatter(_Plain())
    axes.set_xlabel("operations a byte")
    axes.set_ylabel("GOP/s")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1, borderaxespad=0.2)
    return _drawing(
        figure,
        "Roofline",
        "Each mark is a layer with multiply-accumulates (two operations). Level lines are the "
        "arithmetic peaks, slanted ones the rates of reading from the nearest cache and from "
        "memory. No layer can be above the peak of its precision; left of where that meets a "
        "slanted line, it waits for its bytes.",
        _summary(explanation.variants, peaks),
    )


def _line(
    axes: Axes, xs: tuple[float, float], ys: tuple[float, float], line: str, label: str
) -> None:
    axes.plot(xs, ys, color=TEXT, linestyle=line, linewidth=1, label=label)


class _Plain(LogFormatter):
    """10, 100, 1000: powers would need matplotlib's own letters."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def _summary(variants: Sequence[Variant], peaks: Peaks) -> str:
    parts = [f"{name} {value:.0f} GOP/s at most" for name, value in peaks.gops.items()]
    for variant in variants:
        gops = [layer.gops for layer in variant.layers if layer.gops]
        if gops:
            parts.append(f"layers of {variant.name} from {min(gops):.0f} to {max(gops):.0f} GOP/s")
    return "; ".join(parts)


def _intensity(layer: LayerRecord) -> float:
    moved = layer.bytes
    return OPERATIONS * layer.macs / max(moved, 1)


def _drawing(figure: Figure, title: str, caption: str, data: str) -> Drawing:
    name = title.lower().replace(" ", "-")
    alt = f"{title}: {data}."
    return Drawing(name, title, caption, alt, to_svg(figure, name, alt))
