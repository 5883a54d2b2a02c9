"""Architectures that a user names by module and function. Both are code, and are run."""

import importlib
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.models.architectures.architecture import Architecture


def import_architecture(target: str, dataset: str, input_size: int) -> Architecture:
    """What the "module:function" `target` gives, tried on one image.

    The module is looked for in the current folder, too. It has an `Architecture` by that name, or
    what returns a module that takes float32 (batch, 3, input_size, input_size) in the preprocessing
    `dataset` and gives scores (batch, classes). Raises UsageError or ModelError.
    """
    found = _imported(target)
    if isinstance(found, Architecture):
        return found
    if not callable(found):
        raise UsageError(f"--architecture {target} is no function that makes a module.")
    _try(target, found, input_size)
    return Architecture(
        name=target.rpartition(":")[2].rpartition(".")[2],
        build=found,
        input_size=input_size,
        dataset=dataset,
        weight_sources={},
        quantization_preset="mixed",
    )


def _imported(target: str) -> Any:
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        raise UsageError(f"--architecture {target} is not of the form module:function.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found = importlib.import_module(module)
    except Exception as error:
        raise UsageError(
            f"--architecture {target}: the module {module} cannot be imported:"
            f" {type(error).__name__}: {first_line(error)}"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"--architecture {target}: the module {module} has no {attribute}.")
        found = getattr(found, part)
    return found


def _try(target: str, build: Any, input_size: int) -> None:
    shape = (1, 3, input_size, input_size)
    try:
        module = build()
        if not isinstance(module, nn.Module):
            raise ModelError(
                f"--architecture {target} gives a {type(module).__name__} instead of a torch"
                " module; it is called without arguments."
            )
        with torch.no_grad():
            scores = module.eval()(torch.zeros(shape))
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"--architecture {target} fails on an image of {input_size}×{input_size}:"
            f" {type(error).__name__}: {first_line(error)}"
        ) from error
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2 or len(scores) != 1:
        got = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise ModelError(
            f"--architecture {target} answers one image with {got} instead of scores (1, classes)."
        )
