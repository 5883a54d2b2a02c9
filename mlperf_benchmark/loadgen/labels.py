"""Turns scores into class indices; also imported where LoadGen is not installed."""

import numpy as np

from mlperf_benchmark.core.errors import InferenceError
from mlperf_benchmark.core.image_format import Scores

# TensorFlow's ImageNet models count a background class as number 0.
CLASSES_WITH_BACKGROUND = 1001


def label_offset(classes: int, wanted: int | None = None) -> int:
    """What to add to the index of a score to get the label.

    It is `wanted`, or -1 where class 0 is the background.
    """
    if wanted is not None:
        return wanted
    return -1 if classes == CLASSES_WITH_BACKGROUND else 0


def top_labels(scores: Scores, offset: int) -> list[int]:
    """The index of the best score of each row plus `offset`.

    Raises InferenceError where that score is NaN or infinite.
    """
    best = scores.argmax(axis=1)
    # argmax takes a NaN for the largest, so looking at the winners is enough.
    if not np.isfinite(scores[np.arange(len(best)), best]).all():
        raise InferenceError(
            "The model answered NaN or infinite scores; its weights or precision are broken."
        )
    labels: list[int] = (best + offset).tolist()
    return labels
