"""Architectures that a user names by module and function. Both are code, and are run."""

import importlib
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dataset import image_format
from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.preprocessing import CustomPreprocessing
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.models.architectures.architecture import Architecture

PROGRAM = Path(__file__).parents[3]
"""Where this program's own modules lie."""


def imported(target: str) -> Any:
    """What the "module:function" `target` names: an `Architecture`, or what returns a module.

    The module is looked for in the current folder, too. Raises UsageError.
    """
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        raise UsageError(f"--architecture {target} is not of the form module:function.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a script without a guard ends by sys.exit
        raise UsageError(
            f"--architecture {target}: the module {module} cannot be imported:"
            f" {type(error).__name__}: {first_line(error)}{_taken(error)}"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"--architecture {target}: the module {module} has no {attribute}.")
        found = getattr(found, part)
    return found


def _taken(error: BaseException) -> str:
    """What to do where the module wanted one of its own and got this program's."""
    name = (error.name or "") if isinstance(error, ImportError) else ""
    found = sys.modules.get(name.partition(".")[0])
    # Modules that are built into Python have no file.
    if found is None or Path(getattr(found, "__file__", None) or "").parent != PROGRAM:
        return ""
    return f". This program has a module {found.__name__}, too: give yours another name"


def architecture_of(
    target: str, build: Any, dataset: str, preprocessing: CustomPreprocessing | None = None
) -> Architecture:
    """That of the module which `build`, found as `target`, returns, tried on one image.

    It takes float32 (batch, 3, side, side) in the preprocessing `dataset`, or the user's own, and
    gives scores (batch, classes). Raises UsageError or ModelError.
    """
    if not callable(build):
        raise UsageError(f"--architecture {target} is not a function that makes a module.")
    image = image_format(dataset, preprocessing)
    if image.height != image.width:
        raise UsageError(
            f"--architecture {target}: torch modules are prepared for square images, and these are"
            f" {image.height}×{image.width} (--crop)."
        )
    _try(target, build, image.height)
    return Architecture(
        name=target.rpartition(":")[2].rpartition(".")[2],
        build=build,
        input_size=image.height,
        dataset=dataset,
        weight_sources={},
        quantization_preset="mixed",
        preprocessing=preprocessing,
    )


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
