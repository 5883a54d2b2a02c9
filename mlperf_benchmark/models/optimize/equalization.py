"""Cross-layer equalisation, https://arxiv.org/abs/1906.04721, section 4.1.

A channel between two layers is divided by a factor before a ReLU and multiplied by it afterwards.
The function does not change, but the weights on both sides get the same range, so that one scale
suits all of them. ReLU6 clips values, so that scaling before it would change the function: such
pairs are left unchanged.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.optimize.pruning.parts import is_depthwise

ROUNDS = 40
CLOSE = 1e-3
"""Iteration ends when factors change less: a channel between three layers is in two pairs."""

RELUS = (nn.ReLU, torch.relu, functional.relu, "relu")
PASSING = (nn.Identity, nn.Dropout, nn.ZeroPad2d)


@dataclass(frozen=True, eq=False)
class _Pair:
    """A convolution, its batch norm and, after a ReLU, the convolution that reads it."""

    first: nn.Conv2d
    norm: nn.BatchNorm2d | None
    second: nn.Conv2d

    def ranges(self) -> tuple[Tensor, Tensor]:
        """Return the largest weights that make each channel and the largest that read it."""
        made = self.first.weight.abs().flatten(1).amax(1)
        if self.norm is not None:
            variance = self.norm.get_buffer("running_var") + self.norm.eps
            made = made * self.norm.weight.abs() / variance.sqrt()
        weight = self.second.weight.abs()
        by_channel = weight if is_depthwise(self.second) else weight.transpose(0, 1)
        return made, by_channel.flatten(1).amax(1)

    def divide(self, factors: Tensor) -> None:
        """Divide the channels by `factors` and multiply the weights that read them by `factors`."""
        own = self.norm or self.first
        shape = (-1, *[1] * (own.weight.ndim - 1))
        own.weight.div_(factors.reshape(shape))
        if own.bias is not None:
            own.bias.div_(factors)
        axis = 0 if is_depthwise(self.second) else 1
        reading = [1] * self.second.weight.ndim
        reading[axis] = -1
        self.second.weight.mul_(factors.reshape(reading))


def equalize(module: nn.Module) -> int:
    """Equalise the weights of `module` in place; return the number of pairs.

    Raises ModelError for a module that cannot be traced.
    """
    pairs = list(_pairs(module))
    with torch.no_grad():
        for _ in range(ROUNDS):
            change = 0.0
            for pair in pairs:
                factors = _factors(pair)
                pair.divide(factors)
                change = max(change, float(factors.log().abs().max()))
            if change < CLOSE:
                break
    return len(pairs)


def _factors(pair: _Pair) -> Tensor:
    """Return the factors that bring both ranges of a channel to their geometric mean."""
    made, read = pair.ranges()
    return torch.where((made > 0) & (read > 0), (made / read).sqrt(), 1.0)


def _pairs(module: nn.Module) -> Iterator[_Pair]:
    try:
        traced = fx.symbolic_trace(module)
    except Exception as error:
        raise ModelError(
            f"This model cannot be equalised, as torch.fx cannot trace it: {error}"
        ) from error
    calls = Counter(node.target for node in traced.graph.nodes if node.op == "call_module")
    # Leave out layers called in several places: their channels do not belong to one pair.
    shared = (nn.Conv2d, nn.BatchNorm2d)
    layers = {
        name: layer
        for name, layer in traced.named_modules()
        if calls[name] == 1 or not isinstance(layer, shared)
    }
    for node in traced.graph.nodes:
        first = _layer(node, layers)
        if not isinstance(first, nn.Conv2d):
            continue
        after = _only_user(node)
        norm = _layer(after, layers)
        if isinstance(norm, nn.BatchNorm2d):
            if not norm.affine:
                continue
            after = _only_user(after)
        if _kind(after, layers) not in RELUS:
            continue
        after = _only_user(after)
        while _kind(after, layers) in PASSING:
            after = _only_user(after)
        second = _layer(after, layers)
        if isinstance(second, nn.Conv2d) and _has_weights_by_channel(second):
            own = norm if isinstance(norm, nn.BatchNorm2d) else None
            yield _Pair(first, own, second)


def _layer(node: fx.Node | None, layers: dict[str, nn.Module]) -> nn.Module | None:
    if node is None or node.op != "call_module":
        return None
    return layers.get(str(node.target))


def _kind(node: fx.Node | None, layers: dict[str, nn.Module]) -> object:
    """Return the class of a layer, the function, or the name of a method."""
    layer = _layer(node, layers)
    if layer is not None:
        return type(layer)
    return node.target if node is not None else None


def _only_user(node: fx.Node | None) -> fx.Node | None:
    return next(iter(node.users)) if node is not None and len(node.users) == 1 else None


def _has_weights_by_channel(layer: nn.Conv2d) -> bool:
    """Whether each input channel has weights of its own, in a full or a depthwise convolution."""
    return layer.groups == 1 or (is_depthwise(layer) and layer.out_channels == layer.in_channels)
