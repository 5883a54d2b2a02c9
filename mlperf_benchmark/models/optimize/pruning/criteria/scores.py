"""What criteria have in common."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mlperf_benchmark.models.optimize.pruning.parts import Part


def summed(parts: Sequence[Part], score: Callable[[Part], Tensor]) -> Tensor:
    """Sum over the parts of a group of what `score` gives each channel, shape (width,)."""
    return torch.stack([score(part) for part in parts]).sum(0)


def mean_one(scores: Tensor) -> Tensor:
    """`scores` divided by their mean, so that those of large layers are not larger."""
    mean = scores.mean()
    return scores / mean if mean > 0 else scores
