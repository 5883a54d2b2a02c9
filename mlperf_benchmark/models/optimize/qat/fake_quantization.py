"""Layers that compute in float32 what INT8 will compute, and pass gradients through rounding."""

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAST = 1e-8
"""The smallest step, which avoids a division by zero."""


class FakeQuantizer(nn.Module):
    """Rounds to multiples of a learned step, https://arxiv.org/abs/1902.08153.

    The step is positive: one number, or one per index of the first axis. The integers lie between
    `low` and `high`; `zero_point` represents 0. The gradient passes through the rounding unchanged.
    """

    begun: Tensor

    def __init__(self, scale: Tensor, zero_point: int, low: int, high: int) -> None:
        super().__init__()
        self.register_buffer("begun", scale.clamp(min=LEAST))
        # The step's logarithm is learned, https://arxiv.org/abs/1903.08066: steps differ by orders
        # of magnitude, and an optimizer that changes all by equal amounts makes small ones
        # negative.
        self.change = nn.Parameter(torch.zeros_like(scale))
        self.zero_point, self.low, self.high = zero_point, low, high

    @property
    def scale(self) -> Tensor:
        """The step."""
        return self.begun * self.change.exp()

    def forward(self, values: Tensor) -> Tensor:
        step = self._step(values)
        levels = (values / step + self.zero_point).clamp(self.low, self.high)
        return (_rounded(levels) - self.zero_point) * step

    def integers(self, values: Tensor) -> Tensor:
        """Return the rounded integers as INT8 stores them, zero point included."""
        with torch.no_grad():
            levels = values / self._step(values) + self.zero_point
            return levels.round().clamp(self.low, self.high)

    def _step(self, values: Tensor) -> Tensor:
        scale = self.scale
        return scale.reshape(-1, *[1] * (values.ndim - 1)) if scale.ndim else scale


class QuantizedLayer(nn.Module):
    """A convolution or linear layer with the quantizers of its INT8 counterpart.

    A quantizer that the counterpart lacks is None.
    """

    def __init__(
        self,
        layer: nn.Conv2d | nn.Linear,
        given: FakeQuantizer | None,
        weight: FakeQuantizer | None,
        result: FakeQuantizer | None,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.given, self.weight, self.result = given, weight, result

    def forward(self, values: Tensor) -> Tensor:
        layer = self.layer
        values = self.given(values) if self.given else values
        weight = self.weight(layer.weight) if self.weight else layer.weight
        if isinstance(layer, nn.Conv2d):
            output: Tensor = layer._conv_forward(values, weight, layer.bias)
        else:
            output = functional.linear(values, weight, layer.bias)
        if self.result:
            output = self.result(output)
        return output


def _rounded(values: Tensor) -> Tensor:
    rounded: Tensor = values + (values.round() - values).detach()
    return rounded
