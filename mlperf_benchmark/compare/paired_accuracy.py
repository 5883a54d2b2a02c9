"""The difference of two variants' accuracy over the same images, with its interval."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from mlperf_benchmark.compare.intervals import CONFIDENCE, NO_DIFFERENCE

BETTER = "better"
WORSE = "worse"


@dataclass(frozen=True)
class AccuracyDifference:
    """In percentage points, above 0 where the variant is better than the baseline.

    Of `images`, the variant alone answered `gained` right, the baseline alone `lost`. `low` and
    `high` are the 95 % score interval of the difference of paired proportions (Tango, Statistics
    in Medicine 17, 1998, 891-908): it contains 0 just where McNemar's test finds no difference,
    and has a width even where all answers agree, which a bootstrap has not.
    """

    points: float
    low: float
    high: float
    gained: int
    lost: int
    images: int

    @property
    def verdict(self) -> str:
        if self.low <= 0 <= self.high:
            return NO_DIFFERENCE
        return BETTER if self.low > 0 else WORSE


def pack(right: NDArray[np.bool_]) -> str:
    """Whether each image was answered right, a bit an image from the highest on, in base64."""
    return base64.b64encode(np.packbits(right).tobytes()).decode()


def unpack(text: str, images: int) -> NDArray[np.bool_]:
    """The reverse of `pack`, shape (images,). Raises ValueError for another number of images."""
    try:
        data = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except binascii.Error as error:
        raise ValueError(f"no base64: {error}") from error
    if len(data) != -(-images // 8):
        raise ValueError(f"{len(data)} bytes do not hold a bit for each of {images} images")
    return np.unpackbits(data, count=images).astype(bool)


def compare_answers(
    right: Sequence[bool] | NDArray[np.bool_], base_right: Sequence[bool] | NDArray[np.bool_]
) -> AccuracyDifference:
    """The difference, given for each image whether the variant and the baseline were right."""
    ours, base = np.asarray(right, bool), np.asarray(base_right, bool)
    if ours.shape != base.shape or ours.ndim != 1 or not len(ours):
        raise ValueError(f"answers of shapes {ours.shape} and {base.shape} are not pairs")
    return difference(int((ours & ~base).sum()), int((base & ~ours).sum()), len(ours))


def difference(gained: int, lost: int, images: int) -> AccuracyDifference:
    """The difference, given on how many images only one of the two was right."""
    quantile = float(stats.norm.ppf((1 + CONFIDENCE) / 2))

    def beyond(delta: float, sign: int) -> float:
        return _score(gained, lost, images, delta) - sign * quantile

    share = (gained - lost) / images
    # The score falls from above the quantile to below as delta grows from -1 to 1; where all
    # images are on one side it does not reach it, and the end is the limit itself.
    low = -1.0 if lost == images else float(optimize.brentq(beyond, -1 + 1e-12, share, (1,)))
    high = 1.0 if gained == images else float(optimize.brentq(beyond, share, 1 - 1e-12, (-1,)))
    return AccuracyDifference(100 * share, 100 * low, 100 * high, gained, lost, images)


def _score(gained: int, lost: int, images: int, delta: float) -> float:
    """Tango's statistic: how many standard errors the difference lies above `delta`."""
    a = 2 * images
    b = -gained - lost + (2 * images - gained + lost) * delta
    c = -lost * delta * (1 - delta)
    # The likeliest share of images that only the baseline answers right, given delta.
    likeliest = (sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = images * (2 * likeliest + delta * (1 - delta))
    away = gained - lost - images * delta
    return away / sqrt(variance) if variance > 0 else 0.0
