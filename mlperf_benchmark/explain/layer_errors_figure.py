"""The figure that shows how the error develops through the network."""

from mlperf_benchmark.explain.layer_errors_record import Accuracy, VariantErrors
from mlperf_benchmark.explain.layer_errors_table import worst_points
from mlperf_benchmark.explain.layer_errors_words import decibel
from mlperf_benchmark.pages.style import (
    Drawing,
    name_label,
    new_figure,
    page_style,
    series,
    to_svg,
)

HEIGHT, LINE = 2.9, 0.2
NAMED = 3
NAME = "error-along-the-net"
TITLE = "Error along the net"
CAPTION = (
    "Signal-to-quantization-noise ratio of each layer's and sum's output against the baseline's, in"
    " the order of execution; higher is better. Line: as the variant computes it, with all errors"
    " before it. Hollow marks: the error of that layer alone, fed with the baseline's own values."
)


def draw_errors(accuracy: Accuracy) -> Drawing | None:
    """Draw the errors of all variants; return None if no layer differs from the baseline."""
    # The first colour of the page belongs to the baseline.
    drawn = [
        (place, errors)
        for place, errors in enumerate(accuracy.variants, start=1)
        if any(point.sqnr_db is not None for point in errors.points)
    ]
    if not drawn:
        return None
    with page_style():
        figure, axes = new_figure(HEIGHT + LINE * len(drawn))
        for place, errors in drawn:
            style = series(place)
            places = [point.place for point in errors.points]
            axes.plot(
                places,
                [_value(point.sqnr_db) for point in errors.points],
                color=style.colour,
                linestyle=style.line,
                label=name_label(errors.name),
            )
            axes.plot(
                places,
                [_value(point.own_sqnr_db) for point in errors.points],
                color=style.colour,
                marker=style.marker,
                markerfacecolor="none",
                markersize=4,
                linestyle="none",
            )
        axes.set_xlabel("layer or sum, in the order of execution")
        axes.set_ylabel("signal to noise, dB")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
        alt = f"{TITLE}: {'; '.join(_told(errors) for _, errors in drawn)}."
        return Drawing(NAME, TITLE, CAPTION, alt, to_svg(figure, NAME, alt))


def _value(ratio: float | None) -> float:
    """Return NaN, which leaves a gap in the curve, for a layer without error."""
    return float("nan") if ratio is None else ratio


def _told(errors: VariantErrors) -> str:
    first, last = errors.points[0], errors.points[-1]
    worst = ", ".join(
        f"{point.name} {decibel(point.own_sqnr_db)}" for point in worst_points(errors.points, NAMED)
    )
    return (
        f"{errors.name} from {decibel(first.sqnr_db)} at {first.name} to {decibel(last.sqnr_db)} at"
        f" {last.name}, largest own errors {worst}"
    )
