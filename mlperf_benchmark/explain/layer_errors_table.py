"""The errors of the layers as tables, for the terminal, the page and layer_errors.csv."""

import csv
import io
import math
from collections.abc import Sequence

from rich.console import Console

from mlperf_benchmark.core.terminal import plain, say
from mlperf_benchmark.explain.layer_errors_record import Accuracy, VariantErrors
from mlperf_benchmark.explain.table import NONE, WORST, Column, table_of
from mlperf_benchmark.models.optimize.layer_errors import PointError
from mlperf_benchmark.models.optimize.sensitive_layers import Answered

EQUAL = "equal"
CSV_FIELDS = ("place", "name", "kind", "sqnr_db", "cosine", "own_sqnr_db", "input_sqnr_db")


def error_columns(errors: VariantErrors) -> list[Column[PointError]]:
    """Return the columns of a variant's table.

    The last one, "Alone in FP32", is left out if no layer was tried in FP32.
    """
    alone = {one.layers[0]: one.answered for one in errors.mending.alone}
    tried: Column[PointError] = Column(
        "Alone in FP32", lambda point: _answers(alone.get(point.name))
    )
    return [
        Column("Layer", lambda point: point.name),
        Column("Operator", lambda point: point.kind),
        Column("SQNR dB", lambda point: _ratio(point.sqnr_db), lambda point: point.sqnr_db),
        Column("Cosine", lambda point: f"{point.cosine:.4f}", lambda point: point.cosine),
        Column("Own dB", lambda point: _ratio(point.own_sqnr_db), lambda point: point.own_sqnr_db),
        Column(
            "Inputs dB",
            lambda point: _ratio(point.input_sqnr_db),
            lambda point: point.input_sqnr_db,
        ),
        *([tried] if alone else []),
    ]


def worst_points(points: Sequence[PointError], count: int) -> list[PointError]:
    """Return the `count` points with the largest errors of their own, the worst first."""
    return sorted(points, key=lambda one: math.inf if one.own_sqnr_db is None else one.own_sqnr_db)[
        :count
    ]


def print_errors(accuracy: Accuracy, console: Console, every: bool) -> None:
    """Print each variant's table and sentences, with the worst layers only unless `every`."""
    for errors in accuracy.variants:
        heading = f"{errors.name}: errors against {accuracy.baseline} on {accuracy.images} images"
        console.print(plain(heading, "bold"))
        shown = errors.points if every else worst_points(errors.points, WORST)
        console.print(table_of(error_columns(errors), shown))
        if len(shown) < len(errors.points):
            say(
                console,
                f"The {len(shown)} of {len(errors.points)} layers and sums with the largest errors"
                " of their own; --all shows all.",
            )
        for sentence in errors.sentences:
            say(console, sentence)


def render_csv(accuracy: Accuracy) -> str:
    """Return one CSV line per layer and variant, with plain numbers and CRLF line ends.

    Missing values are empty fields.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["variant", *CSV_FIELDS, "alone_same", "alone_good", "total"])
    for errors in accuracy.variants:
        alone = {one.layers[0]: one.answered for one in errors.mending.alone}
        for point in errors.points:
            answered = alone.get(point.name)
            counts = (answered.same, answered.good) if answered else (None, None)
            # The csv module writes None as an empty field.
            values = [getattr(point, field) for field in CSV_FIELDS]
            writer.writerow([errors.name, *values, *counts, errors.answered.total])
    return text.getvalue()


def _ratio(ratio: float | None) -> str:
    return EQUAL if ratio is None else f"{ratio:.1f}"


def _answers(answered: Answered | None) -> str:
    if answered is None:
        return NONE
    same = f"{answered.same}/{answered.total} same"
    return same if answered.good is None else f"{answered.good}/{answered.total} right, {same}"
