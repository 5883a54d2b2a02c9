"""Measures how far each layer of a variant is from the baseline's and what FP32 layers restore."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from mlperf_benchmark.core.errors import InferenceError
from mlperf_benchmark.models.optimize.layer_points import (
    error_model,
    find_points,
    match,
    restored_model,
    sources,
)

FLOAT_NOISE_DB = 90.0
"""Above this ratio lies the difference between two orders of adding float32 products."""

LIMIT_DB = 200.0
"""Ratios are limited to ± this value, because a signal of 0 would give no number."""

Batches = Callable[[], Iterable[tuple[NDArray[Any], int]]]
"""Yields the model's inputs with the number of images that count; the rest is padding."""


@dataclass(frozen=True)
class PointError:
    """The errors of one layer or join (such as a residual sum) over all images.

    `place` counts all layers and joins of the baseline in execution order, including skipped ones.
    `sqnr_db` is the signal-to-quantization-noise ratio of the output: 10 log10 of the sum of the
    baseline's squares over that of the squared differences; it is None if nothing differs. `cosine`
    is the cosine similarity of both outputs. `own_sqnr_db` is the ratio with the variant's layer
    fed with the baseline's values: the error that originates here. `input_sqnr_db` is the worst
    ratio of the points that it reads, None for the image and for inputs without error; if `sqnr_db`
    is lower, the error grows here.
    """

    name: str
    place: int
    kind: str
    is_layer: bool
    sqnr_db: float | None
    cosine: float
    own_sqnr_db: float | None
    input_sqnr_db: float | None


@dataclass(frozen=True, eq=False)
class LayerErrors:
    """The errors of all `points` in execution order, and the scores of both models.

    `skipped` names the baseline's points without a counterpart of the same shape; `is_pruned` says
    that layers are among them. Scores have shape (images, classes); `scores` are those the variant
    gives while its layer outputs are requested.
    """

    points: tuple[PointError, ...]
    skipped: tuple[str, ...]
    is_pruned: bool
    baseline_scores: NDArray[np.float32]
    scores: NDArray[np.float32]

    def worst_layers(self, count: int | None = None) -> tuple[PointError, ...]:
        """Return the `count` layers with the largest own errors, or all, the worst first.

        Layers that differ only by rounding are left out.
        """
        layers = [
            point
            for point in self.points
            if point.is_layer
            and point.own_sqnr_db is not None
            and point.own_sqnr_db < FLOAT_NOISE_DB
        ]
        return tuple(sorted(layers, key=lambda one: one.own_sqnr_db or 0.0)[:count])


def measure_errors(baseline: ov.Model, variant: ov.Model, batches: Batches) -> LayerErrors:
    """Run both models on the same images and compare them layer by layer.

    Both take the same single input and return scores first. Raises ModelError for models of
    different networks, InferenceError for outputs that are not finite.
    """
    matching = match(baseline, variant)
    compiled = _compiled(error_model(baseline, variant))
    tables: list[NDArray[np.float32]] = []
    scores: tuple[list[NDArray[np.float32]], ...] = ([], [])
    for images, count in batches():
        sums, *outputs = compiled(images).to_tuple()
        tables.append(sums[:, :, :count])
        for rows, output in zip(scores, outputs, strict=True):
            rows.append(output.reshape(len(output), -1)[:count])
    table = np.concatenate(tables, axis=2).astype(np.float64)
    _refuse_non_finite(table, list(matching.points))
    inputs, ours = sources(matching), find_points(baseline)
    places = {name: place for place, name in enumerate(ours)}
    ratios = {
        name: ratio_db(sums[0].sum(), sums[3].sum())
        for name, sums in zip(matching.points, table, strict=True)
    }
    points = [
        PointError(
            name=name,
            place=places[name],
            kind=ours[name].kind,
            is_layer=ours[name].is_layer,
            sqnr_db=ratios[name],
            cosine=_cosine(*sums[:3].sum(axis=1)),
            own_sqnr_db=ratio_db(sums[0].sum(), sums[4].sum()),
            input_sqnr_db=min(
                (ratio for source in inputs[name] if (ratio := ratios[source]) is not None),
                default=None,
            ),
        )
        for name, sums in zip(matching.points, table, strict=True)
    ]
    is_pruned = any(ours[name].is_layer for name in matching.skipped)
    return LayerErrors(tuple(points), matching.skipped, is_pruned, *map(np.concatenate, scores))


def scores_with(
    baseline: ov.Model, variant: ov.Model, names: Collection[str], batches: Batches
) -> NDArray[np.float32]:
    """Return the variant's scores with the layers `names` computed as in the baseline."""
    compiled = _compiled(restored_model(baseline, variant, names))
    rows = [compiled(images)[0][:count] for images, count in batches()]
    return np.concatenate([row.reshape(len(row), -1) for row in rows])


def scores_ratio_db(baseline: NDArray[np.float32], scores: NDArray[np.float32]) -> float | None:
    """Return the signal-to-quantization-noise ratio of `scores` in dB."""
    exact = baseline.astype(np.float64)
    return ratio_db(np.square(exact).sum(), np.square(scores - exact).sum())


def ratio_db(signal: float, noise: float) -> float | None:
    """Return 10 log10 of signal over noise, None without noise."""
    if noise <= 0:
        return None
    ratio = 10 * (math.log10(signal) - math.log10(noise)) if signal > 0 else -LIMIT_DB
    return round(min(max(ratio, -LIMIT_DB), LIMIT_DB), 2)


def _cosine(base: float, changed: float, product: float) -> float:
    """Return the cosine; a tensor of zeros counts as orthogonal to all but another one."""
    if base <= 0 or changed <= 0:
        return float(base <= 0 and changed <= 0)
    return round(min(max(float(product) / math.sqrt(base * changed), -1.0), 1.0), 6)


def _refuse_non_finite(table: NDArray[np.float64], names: Sequence[str]) -> None:
    wrong = np.argwhere(~np.isfinite(table).all(axis=1))
    if len(wrong):
        place, image = wrong[0]
        raise InferenceError(
            f"Layer {names[place]} gives values that are not numbers, or too large, for image"
            f" {image}."
        )


def _compiled(model: ov.Model) -> ov.CompiledModel:
    return ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
