"""Multiply-accumulates of a module."""

import math
from typing import Any

import torch
from torch import Tensor, nn


def macs_by_layer(module: nn.Module, input_size: int) -> dict[nn.Module, int]:
    """Return the multiply-accumulates per image of each Conv2d and Linear layer.

    They are counted by running an image (3, input_size, input_size); the layers are in execution
    order. Bias, batch norm and pooling are not counted, as in the published figures of classifiers.
    """
    macs: dict[nn.Module, int] = {}

    def count(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        # Each output value is the sum of products with the weights of its output channel.
        weights = math.prod(layer.get_parameter("weight").shape[1:])
        macs[layer] = macs.get(layer, 0) + output[0].numel() * weights

    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    was_training = module.training
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(1, 3, input_size, input_size))
    finally:
        module.train(was_training)
        for hook in hooks:
            hook.remove()
    return macs


def count_macs(module: nn.Module, input_size: int) -> int:
    """Return the multiply-accumulates of `module` for one image; see `macs_by_layer`."""
    return sum(macs_by_layer(module, input_size).values())


def count_parameters(module: nn.Module) -> int:
    """Return the number of trainable values, including those of batch norm."""
    return sum(parameter.numel() for parameter in module.parameters())
