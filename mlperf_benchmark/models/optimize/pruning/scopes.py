"""Determines how many channels each group loses: uniformly, by a ranking, or by price."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph, ChannelGroup
from mlperf_benchmark.models.optimize.pruning.cost import Cost
from mlperf_benchmark.models.optimize.pruning.evidence import Evidence


@dataclass(frozen=True)
class Candidates:
    """The groups of a graph that may lose channels.

    Group `places[i]` of the graph may have any of the widths `levels[i]`, in ascending order, the
    last being its full width. `cost` is the cost that is to be reduced.
    """

    graph: ChannelGraph
    evidence: Evidence
    places: Sequence[int]
    levels: Sequence[Sequence[int]]
    cost: Cost

    @property
    def groups(self) -> list[ChannelGroup]:
        return [self.graph.groups[place] for place in self.places]


class Scope(ABC):
    """Distributes the removed channels over groups that may lose at most the fraction `most`.

    Only inner channels are pruned until the fraction `inner_most` of them is gone, then all
    channels. With `spares_head`, the channels of the head count as outer ones.
    """

    inner_most = 0.5
    spares_head = False

    def __init__(self, candidates: Candidates, most: float) -> None:
        self._candidates = candidates
        self._groups = candidates.groups
        self._most = most

    @abstractmethod
    def wishes(self, level: float) -> Sequence[float]:
        """Return a width for each candidate, from the full one at `level` 0 down towards
        level 1.
        """


class Uniform(Scope):
    """The same part of each layer."""

    def wishes(self, level: float) -> Sequence[float]:
        return [group.width * (1 - self._most * level) for group in self._groups]


class Global(Scope):
    """The least important channels, wherever they are."""

    def wishes(self, level: float) -> Sequence[float]:
        return ranked(self._groups, self._most * level)


class Isomorphic(Scope):
    """The least important channels among layers of the same structure, https://arxiv.org/abs/2407.04616."""

    def wishes(self, level: float) -> Sequence[float]:
        alike = defaultdict(list)
        for place, group in enumerate(self._groups):
            alike[group.structure].append(place)
        found = [0.0] * len(self._groups)
        for places in alike.values():
            widths = ranked([self._groups[place] for place in places], self._most * level)
            for place, width in zip(places, widths, strict=True):
                found[place] = width
        return found


def ranked(groups: Sequence[ChannelGroup], part: float) -> list[float]:
    """Return the widths without the least important fraction `part` of all channels of `groups`."""
    if not groups:
        return []
    pooled = torch.cat([group.importance.double() for group in groups])
    owners = torch.cat([torch.full((group.width,), place) for place, group in enumerate(groups)])
    removed = owners[pooled.argsort(stable=True)[: int(part * len(pooled))]]
    counts = removed.bincount(minlength=len(groups)).tolist()
    return [group.width - count for group, count in zip(groups, counts, strict=True)]


@dataclass(frozen=True)
class _Choice:
    """A width, the error that it causes and the cost that it saves."""

    width: int
    error: float
    saving: float


class Fisher(Scope):
    """The channels that add least error to outputs, weighted by Fisher information, https://arxiv.org/abs/1801.05787."""

    # The predicted errors hold for small changes only.
    inner_most = 0.6
    # Errors at different positions are assumed to be independent. Those of the head add up, because
    # its outputs are averaged over positions, and were underrated: EfficientNet-Lite0 got 134 of
    # 200 images right without 30 % of its multiply-accumulates, instead of 167.
    spares_head = True

    def __init__(self, candidates: Candidates, most: float) -> None:
        super().__init__(candidates, most)
        cost, errors = candidates.cost, candidates.evidence.output_errors
        whole = [group.width for group in candidates.graph.groups]
        self._choices = []
        for place, levels, group in zip(
            candidates.places, candidates.levels, self._groups, strict=True
        ):
            total = errors.costs(group.parts, group.order).cumsum(0)
            choices = [_Choice(group.width, 0.0, 0.0)]
            for width in levels[:-1]:
                if width >= (1 - most) * group.width:
                    trial = [*whole[:place], width, *whole[place + 1 :]]
                    error = float(total[group.width - width - 1])
                    choices.append(_Choice(width, error, cost(whole) - cost(trial)))
            self._choices.append(choices)
        rates = [one.error / one.saving for choices in self._choices for one in choices[1:]]
        tiny = float(torch.finfo(torch.float64).tiny)
        self._cheapest = max(min(rates, default=1.0), tiny) / 2
        self._dearest = max(max(rates, default=1.0), tiny) * 2

    def wishes(self, level: float) -> Sequence[float]:
        """Return the widths with the best balance; `level` sets the price of a unit of the cost."""
        price = self._cheapest * (self._dearest / self._cheapest) ** level
        return [
            min(choices, key=lambda one: one.error - price * one.saving).width
            for choices in self._choices
        ]
