"""Estimate batch-norm statistics anew, the cheapest recovery after pruning."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def reestimate_batch_norm(module: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of `module` by averages over `batches`.

    A batch is float32 (batch, 3, height, width), normalised as the module expects. Dropout and
    everything else stay in evaluation mode; weights do not change.
    """
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    was_training = module.training
    module.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for batch in batches:
            module(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.train(was_training)
