"""Finds channel counts that remove a given fraction of a cost, such as multiply-accumulates."""

import math
from collections.abc import Sequence
from itertools import pairwise

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.optimize.config import SCOPES, PruningConfig
from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph
from mlperf_benchmark.models.optimize.pruning.cost import Cost
from mlperf_benchmark.models.optimize.pruning.evidence import Evidence
from mlperf_benchmark.models.optimize.pruning.scopes import Candidates, Scope

TOLERANCE = 0.02
"""The largest deviation, relative to the fraction that is to be removed."""

STEPS = 1000


def find_widths(
    graph: ChannelGraph, config: PruningConfig, evidence: Evidence, cost: Cost, part: float
) -> list[int]:
    """Return one width per group so that the fraction `part` of the cost is removed.

    Widths are multiples of `config.round_to` or unchanged. Raises UsageError if the fraction cannot
    be met within `TOLERANCE`.
    """
    whole_widths = [group.width for group in graph.groups]
    whole = cost(whole_widths)
    target = whole * (1 - part)
    scope: type[Scope] = SCOPES.load(config.scope)

    def candidates(places: Sequence[int]) -> Candidates:
        levels = [_worthwhile(cost, whole_widths, place, config.round_to) for place in places]
        return Candidates(graph, evidence, places, levels, cost)

    def is_met(widths: list[int]) -> bool:
        return abs(cost(widths) - target) <= TOLERANCE * part * whole

    widths = whole_widths
    if config.channels == "inner":
        spared = graph.head if scope.spares_head else ()
        inner = candidates(
            [
                place
                for place, group in enumerate(graph.groups)
                if group.is_inner and place not in spared
            ]
        )
        widths = _search(inner, target, scope(inner, scope.inner_most))
    if not is_met(widths):
        every = candidates(range(len(graph.groups)))
        widths = _search(every, target, scope(every, 1))
    if not is_met(widths):
        raise UsageError(
            f"Pruning by {part:g} cannot be reached: the nearest that channel counts in"
            f" steps of {config.round_to} allow is {1 - cost(widths) / whole:.3f}. Give that, or a"
            " smaller --round-to."
        )
    return widths


def _search(candidates: Candidates, target: float, scope: Scope) -> list[int]:
    """Return the widths whose cost is closest to `target`."""
    cost = candidates.cost

    def at(step: int) -> list[int]:
        found = [group.width for group in candidates.graph.groups]
        wanted = scope.wishes(step / STEPS)
        for place, levels, wish in zip(candidates.places, candidates.levels, wanted, strict=True):
            found[place] = min(levels, key=lambda level: abs(level - wish))
        return found

    low, high = 0, STEPS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(at(middle)) > target else (low, middle)
    start = min((at(low), at(high)), key=lambda found: abs(cost(found) - target))
    levels = dict(zip(candidates.places, candidates.levels, strict=True))
    return _refine(cost, target, start, levels)


def _refine(
    cost: Cost, target: float, start: list[int], levels: dict[int, Sequence[int]]
) -> list[int]:
    """Move single groups by one level, each at most once, as long as the cost gets closer."""
    widths = list(start)
    untouched = dict(levels)
    error = abs(cost(widths) - target)
    while untouched:
        moves = []
        for place, allowed in untouched.items():
            for one, other in pairwise(allowed):
                if widths[place] in (one, other):
                    moved = list(widths)
                    moved[place] = other if widths[place] == one else one
                    moves.append((abs(cost(moved) - target), place, moved))
        if not moves or min(moves)[0] >= error:
            break
        error, place, widths = min(moves)
        del untouched[place]
    return widths


def _worthwhile(cost: Cost, whole: list[int], place: int, round_to: int) -> list[int]:
    """Return the useful widths of a group, ascending: each costs less than every wider one."""
    found: list[int] = []
    least = math.inf
    for width in reversed(cost.levels(whole[place], round_to)):
        own = cost([*whole[:place], width, *whole[place + 1 :]])
        if own < least:
            found.insert(0, width)
            least = own
    return found
