"""Weights that are not numbers, as a training that diverged leaves them."""

from pathlib import Path

import torch
from torch import Tensor, nn

from mlperf_benchmark.core.errors import ModelError

SHOWN = 3
VARIANCE = "running_var"


def non_finite(module: nn.Module) -> str | None:
    """The weights of `module` that are NaN, infinite or, as variances, negative; None for none."""
    found = [
        f"{name} ({fault})"
        for name, tensor in module.state_dict().items()
        if (fault := _fault(name, tensor))
    ]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more if found else None


def refuse_non_finite(module: nn.Module, file: Path) -> None:
    """Raise ModelError naming the weights of `module`, read from `file`, that are not numbers."""
    if found := non_finite(module):
        raise ModelError(
            f"{file} holds weights that are not numbers: {found}. Its training has diverged, or "
            "the file is damaged: use an earlier checkpoint."
        )


def _fault(name: str, tensor: Tensor) -> str | None:
    if not tensor.is_floating_point():
        return None
    for what, bad in (
        ("NaN", torch.isnan(tensor)),
        ("infinite", torch.isinf(tensor)),
        ("negative", tensor < 0 if name.endswith(VARIANCE) else torch.zeros(1)),
    ):
        if count := int(bad.sum()):
            return f"{count} of {tensor.numel()} values {what}"
    return None
