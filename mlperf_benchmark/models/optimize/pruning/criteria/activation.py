"""Magnitude of the activations."""

from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from mlperf_benchmark.models.optimize.pruning.criteria.scores import mean_one, summed
from mlperf_benchmark.models.optimize.pruning.criterion import Criterion
from mlperf_benchmark.models.optimize.pruning.evidence import Evidence
from mlperf_benchmark.models.optimize.pruning.parts import Part, Role, by_channel, parts


class Activation(Criterion):
    """Mean magnitude of the channel where layers read it, over all images, https://arxiv.org/abs/1611.06440."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._means: dict[nn.Module, Tensor] = {}

    def observe(self, evidence: Evidence) -> None:
        sums: dict[nn.Module, Tensor] = {}

        def watch(layer: nn.Module, inputs: tuple[Tensor, ...], _output: Any) -> None:
            # Positions are averaged, images are added up.
            means = by_channel(layer, inputs[0].abs()).double().mean(1)
            sums[layer] = sums.get(layer, 0) + means * len(inputs[0])

        hooks = [
            layer.register_forward_hook(watch)
            for layer in evidence.module.modules()
            if isinstance(layer, nn.Conv2d | nn.Linear)
        ]
        count = 0
        try:
            with torch.no_grad():
                for images in evidence.portions():
                    evidence.module(images)
                    count += len(images)
        finally:
            for hook in hooks:
                hook.remove()
        self._means = {layer: value / count for layer, value in sums.items()}

    def importance(self, group: tp.dependency.Group) -> Tensor:
        readers = [part for part in parts(group) if part.role in (Role.READS, Role.FILTERS)]

        def score(part: Part) -> Tensor:
            return self._means[part.layer][part.places].mean(1)

        return mean_one(summed(readers, score))
