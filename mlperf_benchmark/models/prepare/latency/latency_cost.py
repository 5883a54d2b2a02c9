"""Predicts the latency of a network with any widths from the times of its layers."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from torch import nn

from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph
from mlperf_benchmark.models.prepare.latency.layer_shapes import LayerShape
from mlperf_benchmark.models.prepare.latency.layer_times import LayerTimes

LEVELS = 8
FEWEST = 2
"""Widths are measured from FEWEST / LEVELS of the whole width on, in steps of 1 / LEVELS."""

Curve = tuple[LayerShape, ...]
"""A layer with increasing numbers of channels on one side; the last entry has all of them."""

Watch = Callable[[int, int], None]


class LatencyCost:
    """The predicted latency as a fraction of the unpruned network's.

    A layer is timed for several numbers of outputs with all inputs, and for several numbers of
    inputs with all outputs; if both are reduced, the two factors are multiplied. A layer takes
    longer alone than among others, with which it shares buffers: if the layers' times add up to
    more than the network's time, all are divided by their sum. Everything that is not a layer keeps
    its time.
    """

    def __init__(
        self,
        graph: ChannelGraph,
        shapes: dict[nn.Module, LayerShape],
        times: LayerTimes,
        round_to: int,
    ) -> None:
        self._graph = graph
        self._shapes = shapes
        self._times = times
        self._round_to = round_to
        self._known: dict[Curve, tuple[list[int], list[float]]] = {}

    def levels(self, width: int, round_to: int) -> list[int]:
        """Return the candidate widths: multiples of `round_to`, but no more than are measured."""
        steps = {
            -(-width * number // (LEVELS * round_to)) * round_to for number in range(FEWEST, LEVELS)
        }
        return [*sorted(level for level in steps if level < width), width]

    def measure(self, places: Sequence[int], progress: Watch) -> None:
        """Measure the layers that make or read the groups at `places`.

        `progress` is called with the numbers of measured and of missing curves.
        """
        whole = [group.width for group in self._graph.groups]
        before = self._graph.channels(whole)
        curves: set[Curve] = {(shape,) for shape in self._shapes.values()}
        for place in places:
            trial = [*whole[:place], self.levels(whole[place], self._round_to)[0]]
            after = self._graph.channels([*trial, *whole[place + 1 :]])
            for layer, (inputs, outputs) in after.items():
                shape = self._shapes[layer]
                if outputs != before[layer][1]:
                    curves.add(self._outputs(shape))
                elif inputs != before[layer][0]:
                    curves.add(self._inputs(shape))
        # Long curves come first, because they contain the full layers.
        ordered = sorted(curves, key=lambda one: (-len(one), str(one[-1]), str(one)))
        missing = [one for one in ordered if not all(map(self._times.knows, one))]
        for number, curve in enumerate(missing):
            progress(number, len(missing))
            self._times.measure(curve)
        progress(len(missing), len(missing))

    def __call__(self, widths: Sequence[int]) -> float:
        changes = 0.0
        for layer, (inputs, outputs) in self._graph.channels(widths).items():
            shape = self._shapes[layer]
            if (inputs, outputs) != (shape.inputs, shape.outputs):
                changes += self._change(shape, inputs, outputs)
        return 1 + changes / max(self._sum, 1)

    @cached_property
    def _sum(self) -> float:
        """The sum of the times of all unpruned layers."""
        shapes = list(self._shapes.values())
        for shape in shapes:
            self._times.measure((shape,))
        return sum(map(self._times.time, shapes))

    def _change(self, shape: LayerShape, inputs: int, outputs: int) -> float:
        factor, whole = 1.0, 0.0
        if outputs != shape.outputs:
            own, whole = self._read(self._outputs(shape), outputs)
            factor *= own / whole
        if inputs != shape.inputs and not shape.depthwise:
            own, whole = self._read(self._inputs(shape), inputs)
            factor *= own / whole
        return whole * (factor - 1)

    def _outputs(self, shape: LayerShape) -> Curve:
        """Return the curve over outputs; a depthwise convolution has as many inputs."""
        return tuple(
            shape.with_channels(level if shape.depthwise else shape.inputs, level)
            for level in self.levels(shape.outputs, self._round_to)
        )

    def _inputs(self, shape: LayerShape) -> Curve:
        return tuple(
            shape.with_channels(level, shape.outputs)
            for level in self.levels(shape.inputs, self._round_to)
        )

    def _read(self, curve: Curve, channels: int) -> tuple[float, float]:
        """Return the interpolated time for `channels`, and the time for all channels."""
        if curve not in self._known:
            self._times.measure(curve)
            is_outputs = curve[0].outputs != curve[-1].outputs
            counts = [one.outputs if is_outputs else one.inputs for one in curve]
            self._known[curve] = (counts, [self._times.time(one) for one in curve])
        counts, times = self._known[curve]
        return float(np.interp(channels, counts, times)), times[-1]
