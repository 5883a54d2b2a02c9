"""Network slimming's criterion."""

import torch_pruning as tp
from torch import Tensor

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.optimize.pruning.criteria.scores import mean_one, summed
from mlperf_benchmark.models.optimize.pruning.criterion import Criterion
from mlperf_benchmark.models.optimize.pruning.parts import Role, parts


class BatchNormScale(Criterion):
    """Magnitude of the batch-norm scales, https://arxiv.org/abs/1708.06519."""

    def importance(self, group: tp.dependency.Group) -> Tensor:
        norms = [part for part in parts(group) if part.role is Role.SCALES]
        if not norms:
            layer = group[0].dep.target.name
            raise ModelError(f"bn-scale cannot tell what matters: no batch norm follows {layer}.")
        return mean_one(summed(norms, lambda part: part.rows(part.weight).abs().sum(1)))
