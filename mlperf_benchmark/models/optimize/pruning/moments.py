"""Means and covariances of the inputs of layers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.optimize.pruning.parts import by_channel

MOST_INPUTS = 8192
"""With this many inputs, a covariance takes half a gigabyte."""


@dataclass(frozen=True)
class Moments:
    """The sum (inputs,) of `count` rows and the sum of their products (inputs, inputs), in float64.

    The rows of a convolution are the positions of its input, whose channels are the inputs.
    """

    count: int
    sum: Tensor
    products: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> "Moments":
        """Return the moments of float32 rows (count, inputs)."""
        return cls(len(rows), rows.sum(0).double(), (rows.T @ rows).double())

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.count + other.count, self.sum + other.sum, self.products + other.products
        )

    @cached_property
    def covariance(self) -> Tensor:
        mean = self.sum / self.count
        return self.products / self.count - torch.outer(mean, mean)


def input_moments(
    module: nn.Module, layers: Sequence[nn.Module], images: Iterable[Tensor]
) -> dict[nn.Module, Moments]:
    """Return the moments of the inputs of `layers` while `module` runs on all of `images`.

    Raises ModelError for a layer with too many inputs.
    """
    found: dict[nn.Module, Moments] = {}

    def watch(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        rows = by_channel(layer, inputs[0]).T
        if rows.shape[1] > MOST_INPUTS:
            raise ModelError(
                f"This model cannot be pruned by its output errors (obs, fisher): a layer reads"
                f" {rows.shape[1]} inputs, more than {MOST_INPUTS}."
            )
        own = Moments.of(rows)
        found[layer] = found[layer] + own if layer in found else own

    hooks = [layer.register_forward_pre_hook(watch) for layer in layers]
    try:
        with torch.no_grad():
            for batch in images:
                module(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return found
