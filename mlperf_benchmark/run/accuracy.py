"""Top-1 accuracy, and labels that are off by one."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NEAR_ZERO = 0.05
_SCORES = 0.2
_DISTINCT_CLASSES = 3


@dataclass(frozen=True)
class Accuracy:
    """`good` right answers of `total`."""

    good: int
    total: int

    @property
    def top1(self) -> float:
        """The share of right answers, 0 to 1."""
        return self.good / self.total


def top1(predictions: NDArray[np.int64], labels: NDArray[np.int64]) -> Accuracy:
    """Compare class indices, one per sample. Raises ValueError for none, or different shapes."""
    if predictions.ndim != 1 or predictions.shape != labels.shape or not len(labels):
        raise ValueError(f"predictions of shape {predictions.shape}, labels of {labels.shape}")
    return Accuracy(good=int((predictions == labels).sum()), total=len(labels))


def chance_of(good: int, total: int, classes: int) -> float:
    """The probability that guessing among `classes` gets at least `good` of `total` right."""
    share = 1 / classes
    if good > 10 * (1 + share * total):
        return 0.0
    fewer = (
        math.lgamma(total + 1)
        - math.lgamma(right + 1)
        - math.lgamma(total - right + 1)
        + right * math.log(share)
        + (total - right) * math.log1p(-share)
        for right in range(good)
    )
    return max(0.0, 1 - math.fsum(map(math.exp, fewer)))


def label_offset_hint(predictions: NDArray[np.int64], labels: NDArray[np.int64]) -> int | None:
    """What to add to the predictions to make them match the labels: -1, 1, or None.

    There is a hint if accuracy is near zero but good after the shift, and in several classes, so
    that neither random nor constant answers give one.
    """
    if top1(predictions, labels).top1 > _NEAR_ZERO:
        return None
    for offset in (-1, 1):
        right = predictions + offset == labels
        if right.mean() >= _SCORES and len(np.unique(labels[right])) >= _DISTINCT_CLASSES:
            return offset
    return None
