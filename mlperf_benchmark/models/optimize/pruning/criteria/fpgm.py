"""Filter pruning by the geometric median."""

import torch
import torch_pruning as tp
from torch import Tensor

from mlperf_benchmark.models.optimize.pruning.criteria.scores import mean_one, summed
from mlperf_benchmark.models.optimize.pruning.criterion import Criterion
from mlperf_benchmark.models.optimize.pruning.parts import Part, Role, parts


class GeometricMedian(Criterion):
    """Distance of the channel's weights from those of all others, https://arxiv.org/abs/1811.00250."""

    def importance(self, group: tp.dependency.Group) -> Tensor:
        weighted = [part for part in parts(group) if part.role is not Role.SCALES]
        return mean_one(summed(weighted, _distances))


def _distances(part: Part) -> Tensor:
    rows = part.rows(part.weight)
    # Exact distances: computing them by matrix products loses the digits that distinguish
    # neighbours.
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cdist(rows, rows, compute_mode=mode).sum(1)
