"""Find the layers that restore the baseline's answers when they are returned to FP32."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlperf_benchmark.models.optimize.sensitive_layers import (
    Answered,
    Restore,
    Restored,
    each_alone,
)

ENOUGH = 0.9
"""The advised layers are the smallest set that removes this fraction of the score noise that all
the worst layers together remove.
"""

MENDED = 0.5
"""The advised layers count as a cure if they restore at least this fraction of the
changed answers.
"""


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


def find_mending(worst: Sequence[str], variant: Answered, restore: Restore) -> Mending:
    """Try the `worst` layers in FP32, each alone and then cumulatively."""
    alone = each_alone(worst, restore)
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
