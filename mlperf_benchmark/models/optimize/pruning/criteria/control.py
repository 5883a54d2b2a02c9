"""Random channels."""

import torch
import torch_pruning as tp
from torch import Tensor

from mlperf_benchmark.models.optimize.pruning.criterion import Criterion


class Random(Criterion):
    """Random channels: the control that every other criterion has to beat."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._generator = torch.Generator().manual_seed(seed)

    def importance(self, group: tp.dependency.Group) -> Tensor:
        return 2 * torch.rand(len(group[0].idxs), generator=self._generator)
