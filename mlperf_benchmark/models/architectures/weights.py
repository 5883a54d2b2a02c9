"""Weights for an architecture: published, from a file, or random."""

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.files import file_sha256
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.checkpoint import (
    Checkpoint,
    is_checkpoint,
    parse_checkpoint,
    resize,
)
from mlperf_benchmark.models.architectures.sources import Progress
from mlperf_benchmark.models.files.description import FineTuning, Pruning, Weights
from mlperf_benchmark.models.files.finite import refuse_non_finite
from mlperf_benchmark.models.optimize.batch_norm import reestimate_batch_norm

RANDOM = "random"
SHOWN_KEYS = 3


@dataclass(frozen=True)
class LoadedModel:
    """A module in evaluation mode, and what was done to it before."""

    module: nn.Module
    weights: Weights
    pruning: Pruning | None = None
    fine_tuning: FineTuning | None = None


def load_weights(
    architecture: Architecture, name: str, *, seed: int, cache_dir: Path, progress: Progress
) -> LoadedModel:
    """Build the module with the weights `name`.

    `name` is one of the architecture's sources, "random", or the path of a state dict or of a
    checkpoint of finetune.py. Raises UnknownNameError or ModelError.
    """
    module = architecture.build()
    if name == RANDOM:
        randomize(module, architecture.input_size, seed)
        return LoadedModel(module.eval(), Weights(RANDOM, None, seed))
    if name in architecture.weight_sources:
        file = architecture.weight_sources[name].locate(cache_dir, progress)
    else:
        file = Path(name)
        if not file.exists():
            if file.suffix or file.parent != Path():
                raise ModelError(f"There is no weights file {file}.")
            known_name("weights", name, [RANDOM, *architecture.weight_sources])
    content = read_tensors(file)
    if is_checkpoint(content):
        return _from_checkpoint(module, architecture, parse_checkpoint(content), file)
    load_state_dict(module, architecture.name, _state_dict(content, file), file)
    return LoadedModel(module.eval(), Weights(name, file_sha256(file), None))


def _from_checkpoint(
    module: nn.Module, architecture: Architecture, checkpoint: Checkpoint, file: Path
) -> LoadedModel:
    if checkpoint.architecture != architecture.name:
        raise ModelError(f"{file} holds {checkpoint.architecture}, not {architecture.name}.")
    resize(module, checkpoint.state)
    load_state_dict(module, architecture.name, checkpoint.state, file)
    fine_tuning = FineTuning(checkpoint_sha256=file_sha256(file), **checkpoint.training)
    return LoadedModel(module.eval(), checkpoint.weights, checkpoint.pruning, fine_tuning)


def read_tensors(file: Path) -> Any:
    """Read what torch.save wrote without executing what is in the file. Raises ModelError."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"Cannot read the weights {file}: {error.strerror or error}.") from error
    except (pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError, KeyError) as error:
        raise ModelError(
            f"{file} is not a PyTorch state dict, or holds more than tensors. Save it with"
            " torch.save(model.state_dict(), …)."
        ) from error


def _state_dict(content: Any, file: Path) -> Mapping[str, Tensor]:
    """The state dict that `content` is or holds, as training scripts save it."""
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ModelError(f"{file} holds no state dict (a mapping of names to tensors).")
    return {str(key): value for key, value in content.items()}


def load_state_dict(
    module: nn.Module, architecture: str, state: Mapping[str, Tensor], file: Path
) -> None:
    """Copy `state` into `module`.

    Raises ModelError naming the keys that differ, or whose values are no numbers.
    """
    wanted = module.state_dict()
    optional = {key for key in wanted if key.endswith(".num_batches_tracked")}
    differences = [
        _listed("missing", [key for key in wanted if key not in state and key not in optional]),
        _listed("unexpected", [key for key in state if key not in wanted]),
        _listed(
            "of another shape",
            [
                f"{key} {tuple(value.shape)} instead of {tuple(wanted[key].shape)}"
                for key, value in state.items()
                if key in wanted and value.shape != wanted[key].shape
            ],
        ),
    ]
    if found := "; ".join(filter(None, differences)):
        raise ModelError(f"{file} holds no weights of {architecture}: {found}.")
    module.load_state_dict(state, strict=False)
    refuse_non_finite(module, file)


def _listed(what: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = ", …" if len(keys) > SHOWN_KEYS else ""
    return f"{len(keys)} {what} ({', '.join(keys[:SHOWN_KEYS])}{more})"


def randomize(module: nn.Module, input_size: int, seed: int) -> None:
    """Fill `module` with seeded random weights whose activations have the usual range.

    Kaiming initialisation (https://arxiv.org/abs/1502.01852), then batch-norm statistics of
    seeded noise: without them the residual sums of an untrained network grow block by block.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    noise = torch.randn((8, 3, input_size, input_size), generator=generator)
    reestimate_batch_norm(module, [noise])
