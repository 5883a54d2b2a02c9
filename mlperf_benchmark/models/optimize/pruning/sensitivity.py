"""Measures how a module's answers suffer if a single layer loses channels."""

import copy
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from torch import nn

from mlperf_benchmark.models.optimize.batch_norm import apply_corrections, take_corrections
from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph, ChannelGroup
from mlperf_benchmark.models.optimize.pruning.criterion import Criterion
from mlperf_benchmark.models.optimize.pruning.evidence import Evidence
from mlperf_benchmark.models.optimize.pruning.parts import Role

PARTS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class LayerSensitivity:
    """`good[i]` answers are right if the fraction `PARTS[i]` of the channels of `layer`
    is removed.
    """

    layer: str
    channels: int
    good: tuple[int, ...]


def measure_sensitivity(
    module: nn.Module,
    input_size: int,
    criterion: Criterion,
    evidence: Evidence,
    count_good: Callable[[nn.Module], int],
    *,
    known: Collection[str],
) -> Iterator[LayerSensitivity]:
    """Yield the sensitivity of each layer with inner channels, in order, except those in `known`.

    Channels are removed in the criterion's order and batch-norm statistics are corrected, as in
    `prune`. `module` is changed during the iteration. Raises ModelError if it cannot be pruned.
    """
    criterion.observe(evidence)
    graph = ChannelGraph(module, input_size, criterion)
    names = {layer: name for name, layer in module.named_modules()}
    places = {layer: place for place, layer in enumerate(module.modules())}
    take_corrections(module, evidence.batches)
    whole = copy.deepcopy(module.state_dict())
    inner = [group for group in graph.groups if group.is_inner]
    for group in sorted(inner, key=lambda one: places[_maker(one)]):
        name = names[_maker(group)]
        if name in known:
            continue
        good = []
        for part in PARTS:
            _silence(group, round(part * group.width))
            apply_corrections(module, evidence.batches)
            good.append(count_good(module))
            module.load_state_dict(whole)
        yield LayerSensitivity(name, group.width, tuple(good))


def _maker(group: ChannelGroup) -> nn.Module:
    return group.makers[0]


def _silence(group: ChannelGroup, count: int) -> None:
    """Zero the weights that read the `count` least important channels, which in effect removes
    them.
    """
    gone = group.order[:count]
    for part in group.parts:
        if part.role is Role.READS:
            part.weight.transpose(0, 1)[part.places[gone].flatten()] = 0
