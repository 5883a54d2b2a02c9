"""Multiply-accumulates of a module."""

import math
from typing import Any

import torch
from torch import Tensor, nn


def count_macs(module: nn.Module, input_size: int) -> int:
    """Multiply-accumulates of all Conv2d and Linear layers for one image, by running one.

    The image is (3, input_size, input_size). Bias, batch norm and pooling are not counted, as
    in the published figures for ImageNet classifiers.
    """
    total = 0

    def count(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal total
        weight: Tensor = layer.weight  # type: ignore[assignment]
        # Each output value is one product with the weights of its output channel.
        total += output[0].numel() * math.prod(weight.shape[1:])

    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    was_training = module.training
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(1, 3, input_size, input_size))
    finally:
        module.train(was_training)
        for hook in hooks:
            hook.remove()
    return total


def count_parameters(module: nn.Module) -> int:
    """Trainable values, batch norm's included."""
    return sum(parameter.numel() for parameter in module.parameters())
