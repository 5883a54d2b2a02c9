"""Finds the layers that cost a variant most, by what each of them restores in FP32."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from mlperf_benchmark.core.image_format import Scores
from mlperf_benchmark.models.optimize.layer_errors import (
    Batches,
    measure_errors,
    scores_ratio_db,
    scores_with,
)

WORST = 5
"""The number of layers, those with the largest own errors, that are tried in FP32 at a time."""


@dataclass(frozen=True)
class Answered:
    """How a model answers `total` images.

    `same` answers equal the baseline's and `good` ones are right; `good` is None if labels are
    missing or meaningless. `scores_sqnr_db` is the SQNR of the scores in dB, None if they equal the
    baseline's exactly.
    """

    total: int
    same: int
    good: int | None
    scores_sqnr_db: float | None

    @property
    def noise(self) -> float:
        """The ratio of noise to signal power in the scores."""
        return 0.0 if self.scores_sqnr_db is None else 10 ** (-self.scores_sqnr_db / 10)

    @property
    def changed(self) -> int:
        return self.total - self.same


@dataclass(frozen=True)
class Restored:
    """The variant's answers with `layers` returned to FP32."""

    layers: tuple[str, ...]
    answered: Answered


Restore = Callable[[Sequence[str]], Answered]
"""Returns what the variant answers with the given layers in FP32."""


def count_answers(scores: Scores, baseline: Scores, labels: NDArray[np.int64] | None) -> Answered:
    """Compare `scores` with the baseline's and, if given, with the labels.

    Scores have shape (images, classes), labels have shape (images,).
    """
    answers = scores.argmax(axis=1)
    return Answered(
        total=len(answers),
        same=int((answers == baseline.argmax(axis=1)).sum()),
        good=None if labels is None else int((answers == labels).sum()),
        scores_sqnr_db=scores_ratio_db(baseline, scores),
    )


def each_alone(layers: Sequence[str], restore: Restore) -> list[Restored]:
    """Try each of `layers` alone in FP32; the most effective comes first."""
    alone = [Restored((name,), restore((name,))) for name in layers]
    return sorted(alone, key=lambda one: one.answered.noise)


def sensitive_layers(baseline: ov.Model, variant: ov.Model, batches: Batches) -> Iterator[str]:
    """Yield the names of all layers with an error of their own, the most harmful first.

    They come in groups of WORST by their own errors, and are ordered within a group by what each
    restores alone in FP32. A group is measured when its first layer is asked for. Raises as
    `measure_errors` does.
    """
    errors = measure_errors(baseline, variant, batches)
    worst = [point.name for point in errors.worst_layers(len(errors.points))]

    def restore(names: Sequence[str]) -> Answered:
        scores = scores_with(baseline, variant, names, batches)
        return count_answers(scores, errors.baseline_scores, None)

    for start in range(0, len(worst), WORST):
        for one in each_alone(worst[start : start + WORST], restore):
            yield from one.layers
