"""Runs a module node by node on many images."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from mlperf_benchmark.core.errors import ModelError


class Walk:
    """A module that is run node by node on all images together.

    It holds the values that later nodes need. Layers are the module's own, so that a change to a
    later layer takes effect. `layers` maps nodes to the layers that they call, `index` nodes to
    their position.
    """

    def __init__(self, module: nn.Module, batches: Iterable[Tensor]) -> None:
        """Trace `module`. Raises ModelError if its code cannot be traced."""
        try:
            traced = fx.symbolic_trace(module)
        except Exception as error:
            raise ModelError(
                f"This model cannot be reconstructed, as torch.fx cannot trace it: {error}"
            ) from error
        self.nodes = list(traced.graph.nodes)
        modules = dict(traced.named_modules())
        self.layers = {
            node: modules[node.target] for node in self.nodes if node.op == "call_module"
        }
        self._interpreter = fx.Interpreter(traced)
        images, *_ = (node for node in self.nodes if node.op == "placeholder")
        self._values: list[dict[fx.Node, Any]] = [{images: batch} for batch in batches]
        self.index = {node: place for place, node in enumerate(self.nodes)}
        self._next = self.index[images] + 1
        self._needed_until = {
            node: max((self.index[user] for user in node.users), default=-1) for node in self.nodes
        }

    def go_to(self, node: fx.Node) -> None:
        """Run every node before `node`, so that the inputs of `node` are available."""
        stop = self.index[node]
        for values in self._values:
            for ahead in range(self._next, stop):
                self._run(values, ahead)
        self._next = max(self._next, stop)

    def go_past(self, node: fx.Node) -> None:
        """Run `node` as well; its value is available until the next node runs."""
        if node is not self.nodes[-1]:
            self.go_to(self.nodes[self.index[node] + 1])

    def values(self, node: fx.Node) -> Iterator[Tensor]:
        """Yield the result of `node` batch by batch."""
        return (values[node] for values in self._values)

    def _run(self, values: dict[fx.Node, Any], place: int) -> None:
        for node in [node for node in values if self._needed_until[node] < place]:
            del values[node]
        self._interpreter.env = values
        with torch.no_grad():
            values[self.nodes[place]] = self._interpreter.run_node(self.nodes[place])
