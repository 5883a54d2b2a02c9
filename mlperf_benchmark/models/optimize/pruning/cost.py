"""The costs that pruning can reduce."""

from collections.abc import Callable, Sequence
from typing import Protocol

from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph


class Cost(Protocol):
    """The cost of a graph for any widths of its groups."""

    def __call__(self, widths: Sequence[int]) -> float: ...

    def levels(self, width: int, round_to: int) -> list[int]:
        """Return the widths that a group of `width` channels may have, ascending, `width` last."""


class Macs:
    """The number of multiply-accumulates for one image."""

    def __init__(self, graph: ChannelGraph) -> None:
        self._graph = graph

    def __call__(self, widths: Sequence[int]) -> float:
        return self._graph.macs(widths)

    def levels(self, width: int, round_to: int) -> list[int]:
        return [*range(round_to, width, round_to), width]


Find = Callable[[Cost, float], list[int]]
"""Returns the widths that remove a fraction of a cost."""

Budget = Callable[[ChannelGraph, Find], list[int]]
"""Chooses the widths that meet a budget."""
