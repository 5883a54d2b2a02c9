"""What widths cost, which is to be saved."""

from collections.abc import Callable, Sequence
from typing import Protocol

from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph


class Cost(Protocol):
    """The cost of a graph for any widths of its groups."""

    def __call__(self, widths: Sequence[int]) -> float: ...

    def levels(self, width: int, round_to: int) -> list[int]:
        """Widths that a group of `width` channels may have, in rising order, itself the last."""


class Macs:
    """Multiply-accumulates for one image."""

    def __init__(self, graph: ChannelGraph) -> None:
        self._graph = graph

    def __call__(self, widths: Sequence[int]) -> float:
        return self._graph.macs(widths)

    def levels(self, width: int, round_to: int) -> list[int]:
        return [*range(round_to, width, round_to), width]


Find = Callable[[Cost, float], list[int]]
"""The widths without which a part of a cost goes."""

Budget = Callable[[ChannelGraph, Find], list[int]]
"""Chooses the widths that keep to a budget."""
