"""Finds the channel counts that leave a given part of the multiply-accumulates."""

from collections.abc import Sequence
from itertools import pairwise

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.optimize.config import SCOPES, PruningConfig
from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph
from mlperf_benchmark.models.optimize.pruning.evidence import Evidence
from mlperf_benchmark.models.optimize.pruning.scopes import Candidates, Scope

TOLERANCE = 0.02
"""Relative to the part that shall go."""

STEPS = 1000


def find_widths(graph: ChannelGraph, config: PruningConfig, evidence: Evidence) -> list[int]:
    """Return one width a group, so that `config.prune` of the multiply-accumulates goes.

    Widths are multiples of `config.round_to` or unchanged. Raises UsageError where the part
    cannot be met within `TOLERANCE`.
    """
    whole = graph.macs([group.width for group in graph.groups])
    target = whole * (1 - config.prune)
    scope: type[Scope] = SCOPES.load(config.scope)

    def candidates(places: Sequence[int]) -> Candidates:
        levels = [_levels(graph.groups[place].width, config.round_to) for place in places]
        return Candidates(graph, evidence, places, levels)

    def is_met(widths: list[int]) -> bool:
        return abs(graph.macs(widths) - target) <= TOLERANCE * config.prune * whole

    widths = [group.width for group in graph.groups]
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
            f"Pruning by {config.prune:g} cannot be reached: the nearest that channel counts in"
            f" steps of {config.round_to} allow is {1 - graph.macs(widths) / whole:.3f}."
        )
    return widths


def _search(candidates: Candidates, target: float, scope: Scope) -> list[int]:
    """The widths nearest to `target` multiply-accumulates."""
    graph = candidates.graph

    def at(step: int) -> list[int]:
        found = [group.width for group in graph.groups]
        wanted = scope.wishes(step / STEPS)
        for place, levels, wish in zip(candidates.places, candidates.levels, wanted, strict=True):
            found[place] = min(levels, key=lambda level: abs(level - wish))
        return found

    low, high = 0, STEPS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if graph.macs(at(middle)) > target else (low, middle)
    start = min((at(low), at(high)), key=lambda found: abs(graph.macs(found) - target))
    return _refine(
        graph, target, start, dict(zip(candidates.places, candidates.levels, strict=True))
    )


def _refine(
    graph: ChannelGraph, target: float, start: list[int], levels: dict[int, Sequence[int]]
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
