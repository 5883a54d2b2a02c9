"""The contract that every pruning criterion fulfils, and the criteria.

To add one, write a subclass of `Criterion` and add a line to `CRITERIA` in config.py.
"""

from abc import ABC, abstractmethod

import torch
import torch_pruning as tp
from torch import Tensor

from mlperf_benchmark.core.errors import ModelError


class Criterion(ABC):
    """Says how much each channel matters. `seed` is for criteria that draw."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @abstractmethod
    def importance(self, group: tp.dependency.Group) -> Tensor:
        """Importance of each channel of `group`, shape (channels,), about 1 on average.

        The group lists all layers that lose a part when the channel goes.
        """


class GroupL2(Criterion):
    """L2 norm of all weights that go with the channel, https://arxiv.org/abs/2301.12900."""

    def importance(self, group: tp.dependency.Group) -> Tensor:
        scores: Tensor = tp.importance.GroupMagnitudeImportance(p=2)(group)
        return scores.detach()


class BatchNormScale(Criterion):
    """Magnitude of the batch-norm scales, https://arxiv.org/abs/1708.06519."""

    def importance(self, group: tp.dependency.Group) -> Tensor:
        scores: Tensor | None = tp.importance.BNScaleImportance()(group)
        if scores is None:
            layer = group[0].dep.target.name
            raise ModelError(f"bn-scale cannot tell what matters: no batch norm follows {layer}.")
        return scores.detach()


class Random(Criterion):
    """Any channels: the control that every other criterion has to beat."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._generator = torch.Generator().manual_seed(seed)

    def importance(self, group: tp.dependency.Group) -> Tensor:
        return 2 * torch.rand(len(group[0].idxs), generator=self._generator)
