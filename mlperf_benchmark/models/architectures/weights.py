"""Weights for an architecture: published, from a file, or random."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
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
from mlperf_benchmark.models.architectures.finite import refuse_non_finite
from mlperf_benchmark.models.architectures.sources import Progress
from mlperf_benchmark.models.architectures.state_dict_differences import Differences, some
from mlperf_benchmark.models.architectures.state_dicts import Reading, find_weights
from mlperf_benchmark.models.architectures.torch_file import read_torch_file
from mlperf_benchmark.models.files.description import (
    FineTuning,
    Pruning,
    Quantization,
    Weights,
    random_weights,
)
from mlperf_benchmark.models.optimize.batch_norm import reestimate_batch_norm

RANDOM = "random"


@dataclass(frozen=True)
class LoadedModel:
    """A module in evaluation mode, and what was done to it before.

    `remark` is what its user should know of how the file was read. `quantized` is the ONNX graph in
    QDQ form that training in INT8 left, `quantization` how that began.
    """

    module: nn.Module
    weights: Weights
    pruning: Pruning | None = None
    fine_tuning: FineTuning | None = None
    remark: str | None = None
    quantized: onnx.ModelProto | None = None
    quantization: Quantization | None = None


def load_weights(
    architecture: Architecture, name: str, *, seed: int, cache_dir: Path, progress: Progress
) -> LoadedModel:
    """Build the module with the weights `name`.

    `name` is one of the architecture's sources, "random", or the path of a state dict, of what a
    training script saved around one, or of a checkpoint of finetune.py. Raises UnknownNameError
    or ModelError.
    """
    if name == RANDOM:
        module = _random(architecture, seed)
        return LoadedModel(module, Weights(RANDOM, None, seed))
    module = architecture.build()
    if name in architecture.weight_sources:
        file = architecture.weight_sources[name].locate(cache_dir, progress)
    else:
        file = Path(name)
        if not file.exists():
            if file.suffix or file.parent != Path():
                raise ModelError(f"There is no weights file {file}.")
            known_name("weights", name, [RANDOM, *architecture.weight_sources])
    content = read_torch_file(file)
    if is_checkpoint(content):
        return _from_checkpoint(module, architecture, parse_checkpoint(content), file)
    found = find_weights(content, module.state_dict())
    if found is None:
        raise ModelError(f"{file} holds no state dict (a mapping of names to tensors).")
    reading, others = found
    load_state_dict(module, architecture.name, reading.state, file)
    source = f"{name}: {reading.name}" if reading.name else name
    weights = random_weights(file) or Weights(source, file_sha256(file), None)
    return LoadedModel(module.eval(), weights, remark=_remark(file, reading, others))


def _random(architecture: Architecture, seed: int) -> nn.Module:
    """Build the module with random weights. Some of its own initialisation may remain, too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = architecture.build()
    randomize(module, architecture.input_size, seed)
    return module.eval()


def _remark(file: Path, reading: Reading, others: Sequence[Reading]) -> str | None:
    """Which weights are taken, where the file leaves a choice or holds others."""
    left_out = reading.left_out(others)
    if not (reading.place or left_out or others):
        return None
    which = f'"{reading.name}"' if reading.name else "the state dict"
    parts = [f"The weights are {which} of {file}"]
    if others:
        parts.append(f"not {some([one.name or 'the file itself' for one in others])}")
    if left_out:
        parts.append(f"without {some(left_out)}")
    return f"{', '.join(parts)}."


def _from_checkpoint(
    module: nn.Module, architecture: Architecture, checkpoint: Checkpoint, file: Path
) -> LoadedModel:
    if checkpoint.architecture != architecture.name:
        raise ModelError(f"{file} holds {checkpoint.architecture}, not {architecture.name}.")
    resize(module, checkpoint.state)
    load_state_dict(module, architecture.name, checkpoint.state, file)
    fine_tuning = FineTuning(checkpoint_sha256=file_sha256(file), **checkpoint.training)
    return LoadedModel(
        module.eval(),
        checkpoint.weights,
        checkpoint.pruning,
        fine_tuning,
        quantized=None if checkpoint.graph is None else _graph(checkpoint.graph, file),
        quantization=checkpoint.quantization,
    )


def _graph(content: Tensor, file: Path) -> onnx.ModelProto:
    try:
        return onnx.load_from_string(content.numpy().tobytes())
    except Exception as error:
        raise ModelError(f"{file} holds a damaged graph: {error}.") from error


def load_state_dict(
    module: nn.Module, architecture: str, state: Mapping[str, Tensor], file: Path
) -> None:
    """Copy `state` into `module`.

    Raises ModelError naming the entries that differ, or whose values are no numbers.
    """
    wanted = module.state_dict()
    differences = Differences.between(wanted, state)
    if found := str(differences):
        cure = differences.cure()
        raise ModelError(f"{file} holds no weights of {architecture}: {found}. {cure}")
    module.load_state_dict(state, strict=False)
    refuse_non_finite(module, file)


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
