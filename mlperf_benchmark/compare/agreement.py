"""How far a variant answers as the baseline does, which needs no labels."""

from dataclasses import dataclass

import numpy as np

from mlperf_benchmark.core.image_format import Scores
from mlperf_benchmark.run.answers import Answers

FLIPS = 100
"""So many flipped images are listed, at most."""


@dataclass(frozen=True)
class Flip:
    """An image to which the variant answers another class. `image` counts from 0 in the data set.

    `name` and `label` are None where the images have none, `label` also for random weights.
    """

    image: int
    name: str | None
    answer: int
    baseline: int
    label: int | None


@dataclass(frozen=True)
class Agreement:
    """Of `total` images `same` have the baseline's top-1; `flipped` are the first of the others.

    `cosine` is the mean over `cosine_images` of the cosine between both vectors of scores; None
    where one of the two has no scores, or others. `note` says why this is not accuracy, for
    images without labels and random weights.
    """

    same: int
    total: int
    cosine: float | None
    cosine_images: int
    flipped: list[Flip]
    note: str | None = None

    @property
    def share(self) -> float:
        """The share of images with the same answer, 0 to 1."""
        return self.same / self.total


def agreement(ours: Answers, base: Answers, note: str | None) -> Agreement:
    """Of answers to the same images, at least one."""
    other = np.flatnonzero(ours.classes != base.classes)
    cosines = _cosines(ours.scores, base.scores)
    return Agreement(
        same=len(ours.classes) - len(other),
        total=len(ours.classes),
        cosine=None if cosines is None else round(float(cosines.mean()), 6),
        cosine_images=0 if cosines is None else len(cosines),
        flipped=[_flip(int(image), ours, base) for image in other[:FLIPS]],
        note=note,
    )


def _flip(image: int, ours: Answers, base: Answers) -> Flip:
    return Flip(
        image=image,
        name=ours.names[image] if ours.names else None,
        answer=int(ours.classes[image]),
        baseline=int(base.classes[image]),
        label=None if ours.labels is None else int(ours.labels[image]),
    )


def _cosines(ours: Scores | None, base: Scores | None) -> Scores | None:
    """Shape (images,); a vector of zeros has no direction and counts as at right angles."""
    if ours is None or base is None or ours.shape != base.shape:
        return None
    if not (np.isfinite(ours).all() and np.isfinite(base).all()):
        return None
    one, other = ours.astype(np.float64), base.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    products = (one * other).sum(axis=1)
    found: Scores = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return found
