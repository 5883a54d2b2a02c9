"""Weights of a pruned model together with what was done to it, as `finetune.py` keeps them."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.typed_json import check_schema, from_plain
from mlperf_benchmark.models.files.description import Pruning, Quantization, Weights

SCHEMA = 1


@dataclass(frozen=True)
class Checkpoint:
    """`weights` are those that pruning and training started from.

    Of a training in INT8, `state` is what the module was before, `graph` what became of it: an ONNX
    file in QDQ form, as uint8 tensor. `quantization` says how that began.
    """

    architecture: str
    weights: Weights
    pruning: Pruning | None
    training: Mapping[str, Any]
    state: Mapping[str, Tensor]
    quantization: Quantization | None = None
    graph: Tensor | None = None

    def content(self) -> dict[str, Any]:
        """What torch.save takes and torch.load(weights_only=True) accepts."""
        content = {
            "schema": SCHEMA,
            "architecture": self.architecture,
            "weights": dataclasses.asdict(self.weights),
            "pruning": dataclasses.asdict(self.pruning) if self.pruning else None,
            "training": dict(self.training),
            "state_dict": dict(self.state),
        }
        if self.quantization is not None:
            content |= {
                "quantization": dataclasses.asdict(self.quantization),
                "graph": self.graph,
            }
        return content


def is_checkpoint(content: Any) -> bool:
    """Whether what torch.load returned is one of ours."""
    return isinstance(content, Mapping) and "schema" in content and "pruning" in content


def parse_checkpoint(content: Mapping[str, Any]) -> Checkpoint:
    """The reverse of `Checkpoint.content`. Raises ModelError."""
    try:
        check_schema(content, SCHEMA)
        return Checkpoint(
            architecture=content["architecture"],
            weights=from_plain(content["weights"], Weights),
            pruning=from_plain(content["pruning"], Pruning | None),  # type: ignore[arg-type]
            training=content["training"],
            state=content["state_dict"],
            quantization=from_plain(
                content.get("quantization"),
                Quantization | None,  # type: ignore[arg-type]
            ),
            graph=content.get("graph"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"The checkpoint cannot be read: {error}.") from error


def resize(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give the layers of `module` the channel counts that `state` has, so that it loads."""
    for name, layer in module.named_modules():
        weight = state.get(f"{name}.weight")
        if weight is None:
            continue
        if isinstance(layer, nn.Conv2d):
            if layer.groups > 1:
                # Pruning removes whole groups, those of depthwise convolutions.
                layer.groups = layer.groups * weight.shape[0] // layer.out_channels
            layer.out_channels = weight.shape[0]
            layer.in_channels = weight.shape[1] * layer.groups
        elif isinstance(layer, nn.Linear):
            layer.out_features, layer.in_features = weight.shape
        elif isinstance(layer, nn.BatchNorm2d):
            layer.num_features = weight.shape[0]
        for own, tensor in [*layer.named_parameters(recurse=False), *layer.named_buffers()]:
            tensor.data = tensor.data.new_empty(state[f"{name}.{own}"].shape)
