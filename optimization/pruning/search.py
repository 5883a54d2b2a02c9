"""Finds the channel counts that leave a given part of the multiply-accumulates."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

from contracts.errors import UsageError
from optimization.pruning.channels import ChannelGraph, ChannelGroup

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
    removed = int(ratio * len(pooled))
    if removed == 0:
        return [group.width for group in groups]
    threshold = pooled.kthvalue(removed).values
    return [int((group.importance > threshold).sum()) for group in groups]


def find_widths(graph: ChannelGraph, ratio: float, scope: Scope, round_to: int) -> list[int]:
    """Return one width a group, so that `ratio` of the multiply-accumulates goes.

    Widths are multiples of `round_to` or unchanged. Raises UsageError where `ratio` cannot be
    reached within `TOLERANCE`.
    """
    whole = graph.macs([group.width for group in graph.groups])
    target = whole * (1 - ratio)
    inner = [group.is_inner for group in graph.groups]
    every = [True] * len(inner)
    widths = _search(graph, target, scope, round_to, chosen=inner, limit=INNER_LIMIT)
    if abs(graph.macs(widths) - target) > TOLERANCE * ratio * whole:
        widths = _search(graph, target, scope, round_to, chosen=every, limit=1)
    reached = 1 - graph.macs(widths) / whole
    if abs(reached - ratio) > TOLERANCE * ratio:
        raise UsageError(
            f"Pruning by {ratio:g} cannot be reached: the nearest that channel counts in steps of"
            f" {round_to} allow is {reached:.3f}."
        )
    return widths


def _search(
    graph: ChannelGraph,
    target: float,
    scope: Scope,
    round_to: int,
    *,
    chosen: Sequence[bool],
    limit: float,
) -> list[int]:
    """Search widths of the chosen groups, losing at most `limit` of their channels."""
    places = [place for place, is_chosen in enumerate(chosen) if is_chosen]
    groups = [graph.groups[place] for place in places]
    levels = [_levels(group.width, round_to) for group in groups]
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
