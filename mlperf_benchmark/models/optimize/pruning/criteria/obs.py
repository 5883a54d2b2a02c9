"""Optimal brain surgeon for whole channels."""

import torch
import torch_pruning as tp
from torch import Tensor

from mlperf_benchmark.models.optimize.pruning.criterion import Criterion
from mlperf_benchmark.models.optimize.pruning.evidence import Evidence
from mlperf_benchmark.models.optimize.pruning.output_errors import OutputErrors
from mlperf_benchmark.models.optimize.pruning.parts import parts

STEP = 1e-9


class OptimalBrainSurgeon(Criterion):
    """Error that remains after solving anew the layers that read the channel, removed greedily, https://arxiv.org/abs/2208.11580."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._errors: OutputErrors | None = None

    def observe(self, evidence: Evidence) -> None:
        self._errors = evidence.output_errors

    def importance(self, group: tp.dependency.Group) -> Tensor:
        """Return float64 errors in units of the loss, which can be compared between layers."""
        assert self._errors is not None
        order, costs = self._errors.greedy(parts(group))
        # A channel removed later counts no less, however cheap it has become.
        rising = torch.tensor(costs, dtype=torch.float64).cummax(0).values
        rank = torch.arange(1, len(order) + 1, dtype=torch.float64)
        scores = torch.empty_like(rising)
        scores[order] = rising * (1 + STEP * rank) + torch.finfo(torch.float64).tiny * rank
        return scores
