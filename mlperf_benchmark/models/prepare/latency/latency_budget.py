"""Keeps pruning within a latency: predicts it, measures the result, and corrects the prediction."""

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from torch import nn

from dataset import image_format
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.machine import cpu_model
from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.files.description import Latency
from mlperf_benchmark.models.optimize.config import PruningConfig
from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph
from mlperf_benchmark.models.optimize.pruning.cost import Find
from mlperf_benchmark.models.optimize.pruning.criteria.norms import GroupL2
from mlperf_benchmark.models.prepare.latency.bench import (
    Bench,
    Comparison,
    Runner,
    compare,
    times_beside,
)
from mlperf_benchmark.models.prepare.latency.latency_cost import LatencyCost
from mlperf_benchmark.models.prepare.latency.layer_shapes import LayerShape, layer_shapes
from mlperf_benchmark.models.prepare.latency.layer_times import LayerTimes, Setting
from mlperf_benchmark.models.prepare.progress import layer_progress

TOLERANCE = 0.03
"""The largest deviation from the wanted latency without a warning, relative to that latency."""

GOOD = 0.015
"""The search ends at a deviation below this."""

TRIES = 5

LEAST = 0.01
"""The smallest fraction of the latency that can be told from zero."""


@dataclass(frozen=True)
class Try:
    """Widths with their predicted and measured fraction of the unpruned latency."""

    widths: list[int]
    foreseen: float
    comparison: Comparison

    def miss(self, left: float) -> float:
        return abs(self.comparison.ratio / left - 1)


class LatencyBudget:
    """Finds widths that leave the fraction `config.left` of the latency of `module` on `bench`."""

    def __init__(
        self,
        module: nn.Module,
        architecture: Architecture,
        config: PruningConfig,
        bench: Bench,
        whole: Runner,
    ) -> None:
        self._module = module
        self._size = architecture.input_size
        self._config = config
        self._bench = bench
        self._whole = whole
        self._times = LayerTimes(
            Setting(
                cpu=cpu_model(),
                backend=whole.info.name,
                version=whole.info.version,
                threads=whole.info.threads,
                precision=whole.info.executed_precision,
                model=model_identity(architecture.name, layer_shapes(module, self._size)),
                options=bench.options,
            ),
            bench.cache_dir,
            partial(times_beside, bench, whole),
        )
        self._reached: Try | None = None

    def __call__(self, graph: ChannelGraph, find: Find) -> list[int]:
        """Return the widths that came nearest to the budget.

        Raises UsageError if no widths can meet it.
        """
        shapes = layer_shapes(self._module, self._size)
        cost = LatencyCost(graph, shapes, self._times, self._config.round_to)
        places = [
            place
            for place, group in enumerate(graph.groups)
            if (group.is_inner and place not in graph.head) or self._config.channels == "all"
        ]
        with layer_progress() as progress:
            cost.measure(places, progress)
        left = self._config.left
        tries: list[Try] = []
        while len(tries) < TRIES:
            try:
                widths = find(cost, 1 - _aim(left, tries))
            except UsageError:
                # A later aim that cannot be met is an internal matter; only the first one is the
                # user's.
                if not tries:
                    raise
                break
            if any(one.widths == widths for one in tries):
                break
            tries.append(Try(widths, cost(widths), self._measure(widths)))
            ratio = tries[-1].comparison.ratio
            tell(f"Try {len(tries)}: {ratio:.3f} of the latency, {left:g} is wanted.")
            if tries[-1].miss(left) < GOOD:
                break
        self._reached = min(tries, key=lambda one: one.miss(left))
        self._tell(self._reached)
        return list(self._reached.widths)

    def description(self) -> Latency:
        """Return the entry for a model description; needs a finished search."""
        assert self._reached is not None
        found, info = self._reached.comparison, self._whole.info
        return Latency(
            budget=self._config.left,
            reached=found.ratio,
            low=found.low,
            high=found.high,
            ms=found.own_ms,
            unpruned_ms=found.base_ms,
            backend=info.name,
            version=info.version,
            threads=info.threads,
            precision=info.executed_precision,
            cpu=cpu_model(),
        )

    def _measure(self, widths: Sequence[int]) -> Comparison:
        """Prune a copy to `widths` and time it; which channels go does not change the time."""
        module = copy.deepcopy(self._module)
        ChannelGraph(module, self._size, GroupL2(0)).remove(widths)
        image = self._whole.backend.config.image
        with self._bench.loaded(export_onnx(module, self._size), image) as runner:
            return compare(runner, self._whole)

    def _tell(self, reached: Try) -> None:
        found = reached.comparison
        line = (
            f"Latency in {self._bench.backend}, {self._whole.info.threads} threads:"
            f" {found.own_ms:.3f} of {found.base_ms:.3f} ms, {found.ratio:.3f}"
            f" [{found.low:.3f}, {found.high:.3f}]; {self._config.left:g} was wanted."
        )
        if reached.miss(self._config.left) > TOLERANCE:
            line = (
                f"Warning: {line} Nearer was not reached: the steps of channel counts are too"
                " coarse (--round-to), or the machine is busy."
            )
        tell(line)


def model_identity(name: str, shapes: Mapping[nn.Module, LayerShape]) -> str:
    """Return what tells the whole model, whose time is the unit, from others of the same name."""
    text = "\n".join(map(str, shapes.values())).encode()
    return f"{name} {hashlib.sha256(text).hexdigest()[:16]}"


def _aim(left: float, tries: Sequence[Try]) -> float:
    """Return the fraction to predict so that `left` is measured.

    It is interpolated linearly between the nearest tries; for the unpruned model both fractions are
    1.
    """
    known = [(1.0, 1.0), *((one.comparison.ratio, one.foreseen) for one in tries)]
    if len(known) == 1:
        return left
    above = min((one for one in known if one[0] > left), default=(1.0, 1.0))
    below = max((one for one in known if one[0] <= left), default=(0.0, 0.0))
    if below == (0.0, 0.0):
        below = min(known)
        above = (1.0, 1.0)
    slope = (above[1] - below[1]) / max(above[0] - below[0], LEAST)
    return min(max(below[1] + (left - below[0]) * slope, LEAST), 1 - LEAST)


@contextmanager
def latency_budget(
    module: nn.Module, architecture: Architecture, config: PruningConfig, bench: Bench
) -> Iterator[LatencyBudget]:
    """Yield a budget while the unpruned `module` is loaded. Raises ModelError."""
    image = image_format(architecture.dataset, architecture.preprocessing)
    model = export_onnx(module, architecture.input_size)
    with bench.loaded(model, image) as whole:
        yield LatencyBudget(module, architecture, config, bench, whole)
