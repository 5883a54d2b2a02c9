"""Criteria that use gradients of the loss."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
import torch_pruning as tp
from torch import Tensor, nn

from mlperf_benchmark.models.optimize.pruning.criteria.scores import mean_one, summed
from mlperf_benchmark.models.optimize.pruning.criterion import Criterion
from mlperf_benchmark.models.optimize.pruning.evidence import Evidence
from mlperf_benchmark.models.optimize.pruning.parts import Part, parts


class _ByGradient(Criterion):
    """A criterion that combines weights with a statistic of their gradients."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._made: dict[nn.Module, Tensor] = {}

    def observe(self, evidence: Evidence) -> None:
        layers = [
            layer
            for layer in evidence.module.modules()
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d)
            and isinstance(layer.weight, nn.Parameter)
        ]
        weights = [layer.get_parameter("weight") for layer in layers]
        self._made = dict(zip(layers, self._observe(evidence, weights), strict=True))

    def importance(self, group: tp.dependency.Group) -> Tensor:
        return mean_one(
            summed(parts(group), lambda part: self._score(part, part.rows(self._made[part.layer])))
        )

    @abstractmethod
    def _observe(self, evidence: Evidence, weights: Sequence[Tensor]) -> list[Tensor]:
        """Return the statistic of the gradients of each weight, in the weight's shape."""

    @abstractmethod
    def _score(self, part: Part, made: Tensor) -> Tensor:
        """Return scores (width,) from the part's weights and the statistic `made`,
        (width, values).
        """


class Taylor(_ByGradient):
    """Change of the loss without the weight, by its gradient (first order), https://arxiv.org/abs/1906.10771."""

    def _observe(self, evidence: Evidence, weights: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients of the mean loss."""
        sums = [torch.zeros_like(weight) for weight in weights]
        count = 0
        for loss, images in evidence.losses():
            for total, gradient in zip(sums, _gradients(loss, weights), strict=True):
                total.add_(gradient)
            count += len(images)
        return [total / count for total in sums]

    def _score(self, part: Part, made: Tensor) -> Tensor:
        return (part.rows(part.weight) * made).abs().sum(1)


class Hessian(_ByGradient):
    """Change of the loss without the weight, by squared gradients image by image (second order), https://proceedings.neurips.cc/paper/1989/hash/6c9882bbac1c7093bd25041881277658-Abstract.html."""

    def _observe(self, evidence: Evidence, weights: Sequence[Tensor]) -> list[Tensor]:
        """Return the mean over images of the squared gradients, which approximates the Hessian's
        diagonal.
        """
        sums = [torch.zeros_like(weight) for weight in weights]
        count = 0
        for loss, _ in evidence.losses(portion=1):
            for total, gradient in zip(sums, _gradients(loss, weights), strict=True):
                total.add_(gradient.square())
            count += 1
        return [total / count for total in sums]

    def _score(self, part: Part, made: Tensor) -> Tensor:
        return (part.rows(part.weight).square() * made).sum(1)


def _gradients(loss: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return zeros for weights that the loss does not depend on, as those of an unused head."""
    return torch.autograd.grad(loss, weights, materialize_grads=True)
