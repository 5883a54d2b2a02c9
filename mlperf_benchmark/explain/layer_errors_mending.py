"""Which layers, back in FP32, bring the baseline's answers back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.image_format import Scores
from mlperf_benchmark.models.optimize.layer_errors import scores_ratio_db

ENOUGH = 0.9
"""The fewest layers are advised that remove this part of the noise of the scores which all the
worst ones together remove."""

MENDED = 0.5
"""And they count as the cure where so many of the changed answers are the baseline's again."""


@dataclass(frozen=True)
class Answered:
    """Of `total` images `same` have the baseline's answer and `good` the right one, None where
    that means nothing. `scores_sqnr_db` is of the scores, None where they are the baseline's own.
    """

    total: int
    same: int
    good: int | None
    scores_sqnr_db: float | None

    @property
    def noise(self) -> float:
        """Of the scores, over their signal."""
        return 0.0 if self.scores_sqnr_db is None else 10 ** (-self.scores_sqnr_db / 10)

    @property
    def changed(self) -> int:
        return self.total - self.same


@dataclass(frozen=True)
class Restored:
    """What the variant answers with these layers in FP32."""

    layers: tuple[str, ...]
    answered: Answered


@dataclass(frozen=True)
class Mending:
    """`alone` are the worst layers, each alone in FP32, the one first that mends most; `together`
    more and more of them in that order, `advised` the fewest that nearly suffice. None: where no
    layer has an error, or the answers do not come nearer the baseline's.
    """

    alone: tuple[Restored, ...]
    together: tuple[Restored, ...]
    advised: Restored | None

    def is_cure(self, variant: Answered) -> bool:
        """Whether at least half of the changed answers come back."""
        if self.advised is None or not variant.changed:
            return False
        back = variant.changed - self.advised.answered.changed
        return back >= MENDED * variant.changed


def count_answers(scores: Scores, baseline: Scores, labels: NDArray[np.int64] | None) -> Answered:
    """Scores have shape (images, classes), labels (images,) or None."""
    answers = scores.argmax(axis=1)
    return Answered(
        total=len(answers),
        same=int((answers == baseline.argmax(axis=1)).sum()),
        good=None if labels is None else int((answers == labels).sum()),
        scores_sqnr_db=scores_ratio_db(baseline, scores),
    )


def find_mending(
    worst: Sequence[str], variant: Answered, restore: Callable[[Sequence[str]], Answered]
) -> Mending:
    """Return layers of `worst` to FP32 by `restore`, each alone, then several."""
    alone = [Restored((name,), restore((name,))) for name in worst]
    alone.sort(key=lambda one: one.answered.noise)
    names = tuple(one.layers[0] for one in alone)
    if not names:
        return Mending((), (), None)
    every = alone[0] if len(names) == 1 else Restored(names, restore(names))
    removable = variant.noise - every.answered.noise
    together = [alone[0]]
    while not _suffices(together[-1], variant, removable) and len(together) < len(names):
        layers = names[: len(together) + 1]
        together.append(every if layers == names else Restored(layers, restore(layers)))
    advised = together[-1] if removable > 0 else None
    if together[-1].layers != names:
        together.append(every)
    return Mending(tuple(alone), tuple(together), advised)


def _suffices(restored: Restored, variant: Answered, removable: float) -> bool:
    return variant.noise - restored.answered.noise >= ENOUGH * removable
