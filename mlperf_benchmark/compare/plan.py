"""From a matrix to the cells that are run, their order in each round and their duration."""

import argparse
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from backend import BACKENDS
from dataset import DATASETS
from mlperf_benchmark.compare.matrix import PEAK, Matrix, Metric, Variant, metric_for
from mlperf_benchmark.compare.sweeps import QPS, SWEEPS, Point, point_text
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.core.turn_protocol import TEST_TURN_SCENARIOS, TURN_SCENARIOS
from mlperf_benchmark.run.arguments import to_arguments
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.peak_rate import step_seconds
from profiles import PROFILES

OFFICIAL_SECONDS = 600.0
# Start of a process, loading of a small model, and the probe.
OVERHEAD_SECONDS = 4.0
# Runs of a search for the highest rate: the ceiling, five or six rates, some of them twice.
PEAK_RUNS = 8


@dataclass(frozen=True)
class Cell:
    """One row of the table. `arguments` are main.py's, without those about the output; `options`
    are what they were parsed to.

    `unmade` is why there is no model to run.
    """

    key: str
    variant: str
    scenario: str
    sweep: Point
    arguments: tuple[str, ...]
    options: argparse.Namespace
    metric: Metric
    baseline: str
    queries_per_turn: int | None = None
    tests_per_run: int | None = None
    unmade: str | None = None

    @property
    def turn_arguments(self) -> tuple[str, ...]:
        """`arguments` for a process that takes turns."""
        turns = {"queries_per_turn": self.queries_per_turn, "tests_per_run": self.tests_per_run}
        return (*self.arguments, *to_arguments(turns))

    @property
    def takes_turns(self) -> bool:
        return self.queries_per_turn is not None or self.tests_per_run is not None

    @property
    def searches_peak(self) -> bool:
        """Whether a round of this cell searches for the highest rate instead of running once."""
        return self.metric == PEAK

    @property
    def name(self) -> str:
        """The name in the table, unique within a scenario."""
        return point_text(self.variant, self.sweep)

    @property
    def threads(self) -> int | None:
        """The number that an axis sets; None where the variant's own options decide."""
        return int(self.sweep["threads"]) if "threads" in self.sweep else None

    @property
    def is_baseline(self) -> bool:
        return self.key == self.baseline

    @property
    def seconds(self) -> float | None:
        """The duration of a run as asked for, or None where queries decide."""
        time: float | None = self.options.time
        if self.searches_peak:
            return PEAK_RUNS * step_seconds(time) + (PEAK_RUNS - 1) * OVERHEAD_SECONDS
        return None if self.options.queries is not None else time or OFFICIAL_SECONDS


@dataclass(frozen=True)
class Plan:
    """All cells, those of one scenario compared with that scenario's baseline.

    Variants that are not run have none.
    """

    matrix: Matrix
    cells: tuple[Cell, ...]

    def order(self, number: int) -> list[Cell]:
        """The cells of round `number`, shuffled by the matrix's seed."""
        places = np.random.default_rng((self.matrix.seed, number)).permutation(len(self.cells))
        return [self.cells[place] for place in places]

    def groups(self, number: int) -> list[list[Cell]]:
        """The cells of round `number` by what runs at a time: one cell, or those of a scenario that
        take turns.
        """
        groups: dict[str, list[Cell]] = {}
        for cell in self.order(number):
            name = cell.scenario if cell.takes_turns else cell.key
            groups.setdefault(name, []).append(cell)
        return list(groups.values())

    def round_seconds(self) -> float | None:
        """An estimate from the options, or None where queries decide."""
        total = len(self.cells) * OVERHEAD_SECONDS
        for group in self.groups(1):
            seconds = [cell.seconds for cell in group]
            known = [value for value in seconds if value is not None]
            if len(known) < len(seconds):
                return None
            # Time passes for all at once where they take turns of queries.
            total += max(known) if group[0].queries_per_turn else sum(known)
        return total


def make_plan(matrix: Matrix) -> Plan:
    """Expand the matrix. Raises UsageError for options that main.py does not take."""
    variants = [variant for variant in matrix.variants if variant.not_run is None]
    places = [
        (variant, scenario, point)
        for scenario in matrix.scenarios
        for variant in variants
        for point in _points(matrix, scenario)
    ]
    keys = [_key(number, *place) for number, place in enumerate(places, start=1)]
    baseline = matrix.baseline or variants[0].name
    # The first cell of the baseline in each scenario, and in Server at each rate.
    baselines: dict[tuple[str, float | None], str] = {}
    for key, (variant, scenario, point) in zip(keys, places, strict=True):
        if variant.name == baseline:
            baselines.setdefault((scenario, point.get(QPS)), key)
    cells = []
    for key, (variant, scenario, point) in zip(keys, places, strict=True):
        arguments = _arguments(variant, scenario, point)
        cells.append(
            Cell(
                key=key,
                variant=variant.name,
                scenario=scenario,
                sweep=point,
                arguments=arguments,
                options=_options(matrix, variant, scenario, arguments),
                metric=metric_for(matrix, scenario),
                baseline=baselines[scenario, point.get(QPS)],
                queries_per_turn=matrix.queries_per_turn if scenario in TURN_SCENARIOS else None,
                tests_per_run=_tests_per_run(matrix, scenario),
                unmade=variant.unmade,
            )
        )
    return Plan(matrix, tuple(cells))


def _points(matrix: Matrix, scenario: str) -> list[Point]:
    """Every combination of the axes that the scenario takes; one empty point without any.

    A stream has a thread at least, so those of more streams than threads are left out.
    """
    axes = {
        name: values for name, values in matrix.sweeps.items() if scenario in SWEEPS[name].scenarios
    }
    every = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    points = [point for point in every if point.get("streams", 1) <= point.get("threads", math.inf)]
    if not points:
        raise UsageError(
            "[axes] has more streams than threads throughout: a stream needs a thread."
        )
    return [MappingProxyType(point) for point in points]


def _tests_per_run(matrix: Matrix, scenario: str) -> int | None:
    if metric_for(matrix, scenario) == PEAK or scenario not in TEST_TURN_SCENARIOS:
        return None
    return matrix.tests_per_run


def _key(number: int, variant: Variant, scenario: str, point: Point) -> str:
    words = " ".join([variant.name, scenario, *(f"{value:.10g}" for value in point.values())])
    slug = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in words)
    return f"{number:02d}-{slug.lower()[:60]}"


def _arguments(variant: Variant, scenario: str, point: Point) -> tuple[str, ...]:
    return to_arguments(dict(variant.options) | {"scenario": scenario} | dict(point))


def _options(
    matrix: Matrix, variant: Variant, scenario: str, arguments: Sequence[str]
) -> argparse.Namespace:
    try:
        parsed = parse(arguments)
        for kind, name, known in (
            ("profile", parsed.profile, PROFILES),
            ("backend", parsed.backend, BACKENDS.names()),
            ("data set", parsed.dataset, DATASETS.names()),
        ):
            if name is not None:
                known_name(kind, name, known)
    except UsageError as error:
        raise UsageError(f'Variant "{variant.name}": {error}') from error
    _check_rate(matrix, variant, scenario, parsed.qps)
    if _tests_per_run(matrix, scenario) and parsed.time is None and parsed.queries is None:
        raise UsageError(
            f'Variant "{variant.name}": tests_per_run needs time or queries: each test takes its '
            "part of it."
        )
    return parsed


def _check_rate(matrix: Matrix, variant: Variant, scenario: str, rate: float | None) -> None:
    if scenario != "Server":
        return
    searched = metric_for(matrix, scenario) == PEAK
    if not searched and rate is None:
        raise UsageError(
            f'Variant "{variant.name}": Server latencies compare at one rate only; set qps, or '
            f'metric = "{PEAK.name}".'
        )
    if searched and rate is not None:
        raise UsageError(
            f'Variant "{variant.name}": the metric {PEAK.name} finds the rate itself; leave qps '
            "out."
        )
