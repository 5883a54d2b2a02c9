"""The contract that every architecture fulfils, and the architectures by name.

To add a model, write one module that defines an `Architecture` and add one line to `ARCHITECTURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlperf_benchmark.core.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from mlperf_benchmark.core.preprocessing import CustomPreprocessing
    from mlperf_benchmark.models.architectures.sources import WeightSource

ARCHITECTURES = Registry(
    "model",
    {
        "deit-tiny": "mlperf_benchmark.models.architectures.deit:architecture",
        "efficientnet-lite0": "mlperf_benchmark.models.architectures.efficientnet_lite:lite0",
        "efficientnet-lite1": "mlperf_benchmark.models.architectures.efficientnet_lite:lite1",
        "efficientnet-lite2": "mlperf_benchmark.models.architectures.efficientnet_lite:lite2",
        "mobilenetv2": "mlperf_benchmark.models.architectures.mobilenetv2:architecture",
        "resnet18": "resnet50.model:resnet18",
        "resnet50": "resnet50.model:architecture",
    },
    group="mlperf_benchmark.models",
)


@dataclass(frozen=True)
class Architecture:
    """An image classifier as torch code.

    `build` returns the module with untrained weights; it takes float32 RGB of shape
    (batch, 3, input_size, input_size), normalised as the data set `dataset` says, or as
    `preprocessing` where that is the user's own, and returns logits (batch, classes).
    `weight_sources` are the published weights by name. `quantization_preset` is the one of
    models/optimize/quantization.py that suits its activations.
    """

    name: str
    build: Callable[[], nn.Module]
    input_size: int
    dataset: str
    weight_sources: Mapping[str, WeightSource]
    quantization_preset: str
    preprocessing: CustomPreprocessing | None = None
