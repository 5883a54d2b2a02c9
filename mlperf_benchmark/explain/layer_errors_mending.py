"""Find the layers that restore the baseline's answers when they are returned to FP32."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.image_format import Scores
from mlperf_benchmark.models.optimize.layer_errors import scores_ratio_db

ENOUGH = 0.9
"""The advised layers are the smallest set that removes this fraction of the score noise that all
the worst layers together remove.
"""

MENDED = 0.5
"""The advised layers count as a cure if they restore at least this fraction of the
changed answers.
"""


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


@dataclass(frozen=True)
class Mending:
    """What returning the worst layers to FP32 achieves.

    `alone` has each of them alone in FP32, the most effective first. `together` adds them one after
    the other in that order. `advised` is the smallest of these sets that is nearly as effective as
    all of them; it is None if no layer has an error or if the scores do not come closer to the
    baseline's.
    """

    alone: tuple[Restored, ...]
    together: tuple[Restored, ...]
    advised: Restored | None

    def is_cure(self, variant: Answered) -> bool:
        """Whether `advised` restores at least half of the variant's changed answers."""
        if self.advised is None or not variant.changed:
            return False
        back = variant.changed - self.advised.answered.changed
        return back >= MENDED * variant.changed


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


def find_mending(
    worst: Sequence[str], variant: Answered, restore: Callable[[Sequence[str]], Answered]
) -> Mending:
    """Try the `worst` layers in FP32, each alone and then cumulatively.

    `restore` returns what the variant answers with the given layers in FP32.
    """
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
