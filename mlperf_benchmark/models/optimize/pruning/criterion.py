"""The contract that every pruning criterion fulfils.

To add one, write a subclass of `Criterion` and add a line to `CRITERIA` in optimize/config.py. The
first line of its docstring is what `prepare.py --list-methods` shows.
"""

from abc import ABC, abstractmethod

import torch_pruning as tp
from torch import Tensor

from mlperf_benchmark.models.optimize.pruning.evidence import Evidence


class Criterion(ABC):
    """Rates how much each channel matters. `seed` is for criteria that draw random numbers."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def observe(self, evidence: Evidence) -> None:
        """Look once at the whole module and the calibration images, before `importance` is called.

        Criteria that use only the weights need not override this.
        """
        return

    @abstractmethod
    def importance(self, group: tp.dependency.Group) -> Tensor:
        """Return the importance of each channel of `group`, shape (channels,), with a mean of about
        1.

        The group lists all layers that lose a part when the channel is removed; `parts` in parts.py
        says which part. Criteria that compare different layers by their scores may return another
        mean.
        """
