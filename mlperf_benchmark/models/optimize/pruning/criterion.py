"""The contract that every pruning criterion fulfils.

To add one, write a subclass of `Criterion` and add a line to `CRITERIA` in optimize/config.py. The
first line of its docstring is what `prepare.py --list-methods` shows.
"""

from abc import ABC, abstractmethod

import torch_pruning as tp
from torch import Tensor

from mlperf_benchmark.models.optimize.pruning.evidence import Evidence


class Criterion(ABC):
    """Says how much each channel matters. `seed` is for criteria that draw."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def observe(self, evidence: Evidence) -> None:
        """Look at the whole module and the calibration images, once, before `importance`.

        Criteria that judge by the weights alone have no use for it.
        """
        return

    @abstractmethod
    def importance(self, group: tp.dependency.Group) -> Tensor:
        """Importance of each channel of `group`, shape (channels,), about 1 on average.

        The group lists all layers that lose a part when the channel goes; `parts` in parts.py says
        which. Scores of another mean are for criteria that compare layers by them.
        """
