"""Functions that several criteria share."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mlperf_benchmark.models.optimize.pruning.parts import Part


def summed(parts: Sequence[Part], score: Callable[[Part], Tensor]) -> Tensor:
    """Sum the scores that `score` gives each channel over the parts of a group, shape (width,)."""
    return torch.stack([score(part) for part in parts]).sum(0)


def mean_one(scores: Tensor) -> Tensor:
    """Divide `scores` by their mean, so that large layers do not get larger ones."""
    mean = scores.mean()
    return scores / mean if mean > 0 else scores
