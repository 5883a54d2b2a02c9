"""Layer-adaptive magnitude pruning."""

import torch
import torch_pruning as tp
from torch import Tensor

from mlperf_benchmark.models.optimize.pruning.criteria.scores import summed
from mlperf_benchmark.models.optimize.pruning.criterion import Criterion
from mlperf_benchmark.models.optimize.pruning.parts import Role, parts


class Lamp(Criterion):
    """Each weight's square over the squares of no smaller ones in its layer, https://arxiv.org/abs/2010.07611."""

    def importance(self, group: tp.dependency.Group) -> Tensor:
        """Return the sums over each channel's weights, which can be compared between layers."""
        weighted = [part for part in parts(group) if part.role is not Role.SCALES]
        return summed(weighted, lambda part: part.rows(lamp_scores(part.weight)).sum(1))


def lamp_scores(weight: Tensor) -> Tensor:
    """Return the paper's score of each weight of a layer, float64, in the shape of `weight`.

    Among weights of the same magnitude, the first counts as the smallest.
    """
    squares = weight.flatten().double().square()
    ascending, order = squares.sort(stable=True)
    no_smaller = ascending.flip(0).cumsum(0).flip(0)
    tiny = torch.finfo(torch.float64).tiny
    scores = torch.empty_like(squares)
    scores[order] = ascending / no_smaller.clamp(min=tiny)
    return scores.reshape(weight.shape)
