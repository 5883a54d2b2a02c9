"""The errors of the layers as rows, for the terminal, the page and layer_errors.csv."""

import csv
import io
from collections.abc import Sequence

from mlperf_benchmark.explain.layer_errors_mending import Answered
from mlperf_benchmark.explain.layer_errors_record import VariantErrors
from mlperf_benchmark.models.optimize.layer_errors import PointError

HEADINGS = ("Layer", "Operator", "SQNR dB", "Cosine", "Own dB", "Inputs dB", "Alone in FP32")
WORST = 20
EQUAL = "equal"


def rows(errors: VariantErrors, *, every: bool) -> list[tuple[str, ...]]:
    """A row under HEADINGS for each of the points in the order of execution; those whose own error
    is largest alone unless `every`.
    """
    shown = set(map(id, errors.points if every else worst_points(errors.points, WORST)))
    alone = {one.layers[0]: one.answered for one in errors.mending.alone}
    return [
        (
            point.name,
            point.kind,
            _decibel(point.sqnr_db),
            f"{point.cosine:.4f}",
            _decibel(point.own_sqnr_db),
            _decibel(point.input_sqnr_db),
            _alone(alone.get(point.name)),
        )
        for point in errors.points
        if id(point) in shown
    ]


def worst_points(points: Sequence[PointError], count: int) -> list[PointError]:
    """By their own error; those without any last."""
    return sorted(
        points, key=lambda one: float("inf") if one.own_sqnr_db is None else one.own_sqnr_db
    )[:count]


def render_csv(found: Sequence[VariantErrors]) -> str:
    """A line a layer and variant, empty where there is no error or no figure; with CRLF."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        (
            *("variant", "place", "layer", "operator", "sqnr_db", "cosine", "own_sqnr_db"),
            *("input_sqnr_db", "restored_same", "restored_good", "total"),
        )
    )
    for errors in found:
        alone = {one.layers[0]: one.answered for one in errors.mending.alone}
        for point in errors.points:
            answered = alone.get(point.name)
            # csv writes None as an empty field.
            writer.writerow(
                (
                    *(errors.variant, point.place, point.name, point.kind, point.sqnr_db),
                    *(point.cosine, point.own_sqnr_db, point.input_sqnr_db),
                    *((answered.same, answered.good) if answered else (None, None)),
                    errors.answered.total,
                )
            )
    return text.getvalue()


def _decibel(ratio: float | None) -> str:
    return EQUAL if ratio is None else f"{ratio:.1f}"


def _alone(answered: Answered | None) -> str:
    if answered is None:
        return "-"
    same = f"{answered.same}/{answered.total} same"
    return same if answered.good is None else f"{answered.good}/{answered.total}, {same}"
