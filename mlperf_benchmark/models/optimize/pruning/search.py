"""Finds the channel counts that leave a given part of the multiply-accumulates."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.optimize.config import SCOPES, PruningConfig
from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph, ChannelGroup

TOLERANCE = 0.02
"""Relative to the part that shall go."""

INNER_LIMIT = 0.5
"""Inner channels alone are pruned until this part of them is gone, then all channels are."""

STEPS = 1000

Scope = Callable[[Sequence[ChannelGroup], float], list[float]]
"""Channels that each group shall keep when the given part, 0 to 1, of all channels goes."""


def keep_uniformly(groups: Sequence[ChannelGroup], ratio: float) -> list[float]:
    """The same part of each group goes."""
    return [group.width * (1 - ratio) for group in groups]


def keep_globally(groups: Sequence[ChannelGroup], ratio: float) -> list[float]:
    """The least important channels go, wherever they are."""
    pooled = torch.cat([group.importance for group in groups])
    owners = torch.cat([torch.full((group.width,), place) for place, group in enumerate(groups)])
    removed = owners[pooled.argsort(stable=True)[: int(ratio * len(pooled))]]
    counts = removed.bincount(minlength=len(groups)).tolist()
    return [group.width - count for group, count in zip(groups, counts, strict=True)]


def find_widths(graph: ChannelGraph, config: PruningConfig) -> list[int]:
    """Return one width a group, so that `config.prune` of the multiply-accumulates goes.

    Widths are multiples of `config.round_to` or unchanged. Raises UsageError where the part
    cannot be met within `TOLERANCE`.
    """
    whole = graph.macs([group.width for group in graph.groups])
    target = whole * (1 - config.prune)

    def is_met(widths: list[int]) -> bool:
        return abs(graph.macs(widths) - target) <= TOLERANCE * config.prune * whole

    widths = [group.width for group in graph.groups]
    if config.channels == "inner":
        inner = [place for place, group in enumerate(graph.groups) if group.is_inner]
        widths = _search(graph, target, config, inner, INNER_LIMIT)
    if not is_met(widths):
        widths = _search(graph, target, config, range(len(graph.groups)), 1)
    if not is_met(widths):
        raise UsageError(
            f"Pruning by {config.prune:g} cannot be reached: the nearest that channel counts in"
            f" steps of {config.round_to} allow is {1 - graph.macs(widths) / whole:.3f}."
        )
    return widths


def _search(
    graph: ChannelGraph,
    target: float,
    config: PruningConfig,
    places: Sequence[int],
    limit: float,
) -> list[int]:
    """Search widths of the groups at `places`, losing at most `limit` of their channels."""
    scope: Scope = SCOPES.load(config.scope)
    groups = [graph.groups[place] for place in places]
    levels = [_levels(group.width, config.round_to) for group in groups]
    widths = [group.width for group in graph.groups]

    def at(step: int) -> list[int]:
        wanted = scope(groups, limit * step / STEPS)
        found = list(widths)
        for place, wish, allowed in zip(places, wanted, levels, strict=True):
            found[place] = min(allowed, key=lambda level: abs(level - wish))
        return found

    low, high = 0, STEPS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if graph.macs(at(middle)) > target else (low, middle)
    start = min((at(low), at(high)), key=lambda found: abs(graph.macs(found) - target))
    return _refine(graph, target, start, dict(zip(places, levels, strict=True)))


def _refine(
    graph: ChannelGraph, target: float, start: list[int], levels: dict[int, list[int]]
) -> list[int]:
    """Move single groups by one level, each at most once, while that comes nearer."""
    widths = list(start)
    untouched = dict(levels)
    error = abs(graph.macs(widths) - target)
    while untouched:
        moves = []
        for place, allowed in untouched.items():
            for one, other in pairwise(allowed):
                if widths[place] in (one, other):
                    moved = list(widths)
                    moved[place] = other if widths[place] == one else one
                    moves.append((abs(graph.macs(moved) - target), place, moved))
        if not moves or min(moves)[0] >= error:
            break
        error, place, widths = min(moves)
        del untouched[place]
    return widths


def _levels(width: int, round_to: int) -> list[int]:
    """Widths that a group may have, in rising order."""
    return [*range(round_to, width, round_to), width]
