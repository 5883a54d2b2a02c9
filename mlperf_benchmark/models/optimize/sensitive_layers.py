"""Finds the layers that cost a variant most, by what each of them restores in FP32."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from mlperf_benchmark.core.image_format import Scores
from mlperf_benchmark.models.optimize.layer_errors import Batches, scores_ratio_db, scores_with

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


def restoring(
    baseline: ov.Model,
    variant: ov.Model,
    batches: Batches,
    reference: Scores,
    labels: NDArray[np.int64] | None = None,
) -> Restore:
    """Return a function that runs the variant with layers computed as in the baseline.

    `reference` are the baseline's scores on all images.
    """

    def restore(names: Sequence[str]) -> Answered:
        return count_answers(scores_with(baseline, variant, names, batches), reference, labels)

    return restore


def each_alone(layers: Sequence[str], restore: Restore) -> list[Restored]:
    """Try each of `layers` alone in FP32; the most effective comes first."""
    alone = [Restored((name,), restore((name,))) for name in layers]
    return sorted(alone, key=lambda one: one.answered.noise)


def most_harmful_first(layers: Sequence[str], restore: Restore) -> Iterator[str]:
    """Yield `layers`, which come by their own errors, in groups of WORST.

    Within a group, the layer that restores most alone in FP32 comes first. A group is tried when
    its first layer is asked for.
    """
    for start in range(0, len(layers), WORST):
        for one in each_alone(layers[start : start + WORST], restore):
            yield from one.layers
