"""Reads torch's model files: checkpoints of our architectures, and exported programs."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES, Architecture
from mlperf_benchmark.models.architectures.checkpoint import is_checkpoint, parse_checkpoint, resize
from mlperf_benchmark.models.architectures.finite import refuse_non_finite
from mlperf_benchmark.models.architectures.state_dicts import find_weights
from mlperf_benchmark.models.architectures.torch_file import read_torch_file
from mlperf_benchmark.models.architectures.weights import load_state_dict
from mlperf_benchmark.models.files.description import read_description
from mlperf_benchmark.models.files.ports import Port

CHECKPOINTS = (".pt", ".pth")
EXPORTED = ".pt2"


@dataclass(frozen=True)
class LoadedModule:
    """`ports` are its inputs, `kind` is the element type of the first; `outputs` are names."""

    module: nn.Module
    ports: tuple[Port, ...]
    kind: torch.dtype
    outputs: tuple[str, ...] = ("output",)


def load_module(path: Path) -> LoadedModule:
    """The module of a file. Raises ModelError.

    Only an exported program, which is unpickled, can execute what is in the file.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise ModelError(
            f"No model file {path}; torch reads {', '.join((*CHECKPOINTS, EXPORTED))}."
        )
    if suffix == EXPORTED:
        return _exported(path)
    if suffix in CHECKPOINTS:
        return _checkpoint(path)
    raise ModelError(f"{path} is not one of {', '.join((*CHECKPOINTS, EXPORTED))}.")


def _checkpoint(path: Path) -> LoadedModule:
    content = read_torch_file(path)
    checkpoint = parse_checkpoint(content) if is_checkpoint(content) else None
    if checkpoint is not None and checkpoint.graph is not None:
        raise ModelError(
            f"{path} was trained in INT8 (finetune.py --qat), which PyTorch does not run here: "
            "prepare.py --precision int8 makes a file for another backend from it."
        )
    name = checkpoint.architecture if checkpoint else _described(path)
    architecture: Architecture = ARCHITECTURES.load(name)
    module = architecture.build()
    state = checkpoint.state if checkpoint else _state(content, module, path)
    try:
        resize(module, state)
    except (AttributeError, KeyError) as error:
        raise ModelError(f"{path} holds no weights of {name}: {error}.") from error
    load_state_dict(module, name, state, path)
    size = architecture.input_size
    # In the memory layout that torch's convolutions are made for.
    laid_out = module.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return LoadedModule(laid_out, (Port(("input",), (None, 3, size, size)),), torch.float32)


def _described(path: Path) -> str:
    """The architecture that the description beside a plain state dict names."""
    description = read_description(path)
    if description is None:
        raise ModelError(
            f"{path} does not tell its architecture, and no {path.name}.json is beside it: "
            "make the file with prepare.py --backend torch (--architecture MODULE:FUNCTION for one "
            f"of your own), or export the module to {EXPORTED} by torch.export.save."
        )
    return description.architecture


def _state(content: Any, module: nn.Module, path: Path) -> Mapping[str, Tensor]:
    found = find_weights(content, module.state_dict())
    if found is None:
        raise ModelError(f"{path} holds no state dict (a mapping of names to tensors).")
    return found[0].state


def _exported(path: Path) -> LoadedModule:
    # torch would log the traceback of what it then raises.
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path} is not an exported program, or is cut short.")
    try:
        program = torch.export.load(path)
    except Exception as error:
        raise ModelError(f"{path} is not an exported program: {first_line(error)}") from error
    signature = program.graph_signature
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    inputs = {str(name): values.get(str(name)) for name in signature.user_inputs}
    kinds = [value.dtype for value in inputs.values() if isinstance(value, Tensor)]
    if not kinds or len(kinds) < len(inputs):
        raise ModelError(
            f"{path} takes {', '.join(inputs) or 'nothing'}: only models whose one input is the "
            "image can be measured."
        )
    module = program.module()
    refuse_non_finite(module, path)
    return LoadedModule(
        module,
        tuple(Port((name,), _sizes(value)) for name, value in inputs.items()),
        kinds[0],
        tuple(map(str, signature.user_outputs)),
    )


def _sizes(value: Any) -> tuple[int | None, ...]:
    """Symbols are open."""
    return tuple(size if isinstance(size, int) else None for size in value.shape)
