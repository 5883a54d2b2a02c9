"""Keeps the scores that an accuracy run answers, so that variants can be compared by them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.image_format import Scores

IMAGES = 1000
"""The number of images whose scores are kept: 4 MB for 1000 classes."""


class ScoreRecorder:
    """Is told of queries and of answers, from any thread.

    `label_offset` -1 leaves out the column of the background class, so that columns are labels.
    Where it is above 0, the labels that the model does not know get its lowest score.
    """

    def __init__(self, count: int, label_offset: int) -> None:
        self._count = min(count, IMAGES)
        self._first = max(0, -label_offset)
        self._added = max(0, label_offset)
        self._images: dict[int, int] = {}
        self._rows: dict[int, NDArray[np.float32]] = {}

    def issued(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Note which image each response id is of, before its answer comes."""
        pairs = zip(ids, indices, strict=True)
        self._images.update((id_, image) for id_, image in pairs if image < self._count)

    def answered(self, ids: Sequence[int], scores: Scores) -> None:
        """Keep a copy. Class indices instead of scores are left out."""
        if scores.ndim == 1:
            return
        for id_, row in zip(ids, scores, strict=True):
            image = self._images.pop(id_, None)
            if image is not None:
                unknown = np.full(self._added, row.min())
                self._rows[image] = np.append(unknown, row[self._first :]).astype(np.float32)

    def scores(self) -> Scores | None:
        """Of the first images, shape (min(count, IMAGES), classes); None unless all have some."""
        if len(self._rows) < self._count:
            return None
        return np.stack([self._rows[image] for image in range(self._count)])
