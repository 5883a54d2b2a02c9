"""Criteria that use the norm of the weights."""

import torch_pruning as tp
from torch import Tensor

from mlperf_benchmark.models.optimize.pruning.criteria.scores import mean_one, summed
from mlperf_benchmark.models.optimize.pruning.criterion import Criterion
from mlperf_benchmark.models.optimize.pruning.parts import parts


class GroupL1(Criterion):
    """Sum of the magnitudes of all weights that go with the channel, https://arxiv.org/abs/1608.08710."""

    def importance(self, group: tp.dependency.Group) -> Tensor:
        return mean_one(summed(parts(group), lambda part: part.rows(part.weight).abs().sum(1)))


class GroupL2(Criterion):
    """Sum of the squares of all weights that go with the channel, https://arxiv.org/abs/2301.12900."""

    def importance(self, group: tp.dependency.Group) -> Tensor:
        return mean_one(summed(parts(group), lambda part: part.rows(part.weight).square().sum(1)))
