"""The error at the outputs of layers whose inputs lose channels, in units of the loss.

A layer y = W x loses inputs, and its other weights are solved anew to compensate as well as the
covariance A of its inputs allows. The least error of output o has the closed form of the optimal
brain surgeon
(https://proceedings.neurips.cc/paper/1992/hash/303ed4c69846ab36c2904d3ba8573050-Abstract.html):
input j adds w_oj² / (A⁻¹)_jj. The errors of outputs are weighted by the mean squared gradient
there, the diagonal of the Fisher information (https://arxiv.org/abs/1801.05787), so that the errors
of different layers can be compared and added. A k×k convolution counts as k² 1×1 convolutions:
correlations between neighbouring positions are ignored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mlperf_benchmark.models.optimize.pruning.moments import Moments, input_moments
from mlperf_benchmark.models.optimize.pruning.parts import Part, Role, by_channel, is_depthwise

RIDGE = 10.0
"""Damping of covariances, relative to their mean variance times inputs over rows. It has the value
that was chosen for reconstruction.
"""

COMPACTED = 0.9
"""Matrices are reduced to the remaining inputs once these are fewer than this fraction of their
size.
"""


@dataclass(frozen=True)
class _Reader:
    """A layer that reads a group: the inverse of the damped covariance, and Wᵀ F W, in float64."""

    inverse: Tensor
    gram: Tensor


@dataclass(frozen=True)
class OutputErrors:
    """Moments of the inputs, and mean squared gradients at the outputs, of a module's layers."""

    moments: Mapping[nn.Module, Moments]
    fisher: Mapping[nn.Module, Tensor]

    @classmethod
    def measure(
        cls, module: nn.Module, images: Iterable[Tensor], losses: Iterable[tuple[Tensor, Tensor]]
    ) -> "OutputErrors":
        """Run the module on `images`, and backpropagate `losses`, which run it as well."""
        layers = [
            layer
            for layer in module.modules()
            if isinstance(layer, nn.Conv2d | nn.Linear) and not is_depthwise(layer)
        ]
        return cls(input_moments(module, layers, images), squared_gradients(layers, losses))

    def greedy(self, parts: Sequence[Part]) -> tuple[list[int], list[float]]:
        """Return the order in which the cheapest channel is removed next, and what each
        one costs.
        """
        readers = self._readers(parts)
        left = torch.arange(readers[0].gram.shape[0])
        gone = torch.zeros(len(left), dtype=torch.bool)
        order, costs = [], []
        for _ in range(len(left)):
            cost = sum(
                (one.gram.diagonal() / one.inverse.diagonal() for one in readers),
                start=torch.zeros(len(left), dtype=torch.float64),
            )
            place = int(cost.masked_fill(gone, torch.inf).argmin())
            order.append(int(left[place]))
            costs.append(float(cost[place]))
            for reader in readers:
                _remove(reader, place)
            gone[place] = True
            if (~gone).sum() < COMPACTED * len(gone):
                kept = (~gone).nonzero().flatten()
                readers = [
                    _Reader(one.inverse[kept][:, kept], one.gram[kept][:, kept]) for one in readers
                ]
                left, gone = left[kept], gone[kept]
        return order, costs

    def costs(self, parts: Sequence[Part], order: Tensor) -> Tensor:
        """Return what each channel costs if they are removed in `order`, float64 (width,)."""
        total = torch.zeros(len(order), dtype=torch.float64)
        for reader in self._readers(parts):
            # One factorisation replaces all eliminations of `greedy`.
            factor = torch.linalg.cholesky(reader.inverse[order][:, order])
            gram = reader.gram[order][:, order]
            half = torch.linalg.solve_triangular(factor, gram, upper=False)
            whole = torch.linalg.solve_triangular(factor, half.T, upper=False)
            total += whole.diagonal()
        return total

    def _readers(self, parts: Sequence[Part]) -> list[_Reader]:
        return [self._reader(part) for part in parts if part.role is Role.READS]

    def _reader(self, part: Part) -> _Reader:
        moments = self.moments[part.layer]
        places = part.places.T
        covariance = torch.stack([moments.covariance[own][:, own] for own in places]).mean(0)
        rows = moments.count * len(places)
        damping = RIDGE * len(covariance) / rows * covariance.diagonal().mean()
        # A channel that never changes costs nothing.
        damping = damping.clamp(min=torch.finfo(torch.float64).tiny ** 0.5)
        damped = covariance + damping * torch.eye(len(covariance), dtype=torch.float64)
        outputs = self.fisher[part.layer].sqrt().reshape(-1, *[1] * (part.weight.ndim - 1))
        weights = part.rows(part.weight.double() * outputs)
        return _Reader(torch.linalg.inv(damped), weights @ weights.T)


def _remove(reader: _Reader, place: int) -> None:
    """Solve the other weights anew, in place, without the input at `place`."""
    inverse, gram = reader.inverse, reader.gram
    row = inverse[place] / inverse[place, place]
    # W becomes W - w rᵀ with w = W[:, place], so Wᵀ F W loses u rᵀ + r uᵀ.
    common = gram[place] - gram[place, place] / 2 * row
    gram.addr_(common, row, alpha=-1).addr_(row, common, alpha=-1)
    inverse.addr_(inverse[place].clone(), row, alpha=-1)
    inverse[place, place] = 1.0


def squared_gradients(
    layers: Sequence[nn.Module], losses: Iterable[tuple[Tensor, Tensor]]
) -> dict[nn.Module, Tensor]:
    """Return the mean over images of the squared gradients at the outputs, summed over positions.

    The result is float64 (outputs,) for each layer. Iterating `losses` runs the module.
    """
    sums: dict[nn.Module, Tensor] = {}

    def watch(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        def add(gradient: Tensor) -> None:
            squares = by_channel(layer, gradient.square()).sum(1).double()
            sums[layer] = sums.get(layer, 0) + squares

        output.register_hook(add)  # type: ignore[no-untyped-call]

    hooks = [layer.register_forward_hook(watch) for layer in layers]
    count = 0
    try:
        for loss, images in losses:
            # The hooks get the gradients at the outputs while the gradient of the images is
            # computed.
            torch.autograd.grad(loss, images)
            count += len(images)
    finally:
        for hook in hooks:
            hook.remove()
    return {layer: value / count for layer, value in sums.items()}
