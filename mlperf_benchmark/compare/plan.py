"""From a matrix to the cells that are run, their order in each round and their duration."""

from dataclasses import dataclass

import numpy as np

from backend import BACKENDS
from dataset import DATASETS
from mlperf_benchmark.compare.matrix import Matrix, Metric, Variant, metric_for
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.core.turn_protocol import TURN_SCENARIOS
from mlperf_benchmark.run.arguments import to_arguments
from mlperf_benchmark.run.options import parse
from profiles import PROFILES

OFFICIAL_SECONDS = 600.0
# Start of a process, loading of a small model, and the probe.
OVERHEAD_SECONDS = 4.0


@dataclass(frozen=True)
class Cell:
    """One row of the table. `arguments` are main.py's, without those about the output.

    `unmade` is why there is no model to run.
    """

    key: str
    variant: str
    scenario: str
    threads: int | None
    arguments: tuple[str, ...]
    metric: Metric
    baseline: str
    queries_per_turn: int | None
    unmade: str | None = None

    @property
    def turn_arguments(self) -> tuple[str, ...]:
        """`arguments` for a process that takes turns."""
        return (*self.arguments, "--queries-per-turn", str(self.queries_per_turn))

    @property
    def name(self) -> str:
        """As the user sees it, unique within its scenario."""
        if self.threads is None:
            return self.variant
        return f"{self.variant}, {self.threads} thread{'' if self.threads == 1 else 's'}"

    @property
    def is_baseline(self) -> bool:
        return self.key == self.baseline

    @property
    def seconds(self) -> float | None:
        """The duration of a run as asked for, or None where queries decide."""
        options = parse(self.arguments)
        if options.queries is not None:
            return None
        return float(options.time or OFFICIAL_SECONDS)


@dataclass(frozen=True)
class Plan:
    """All cells, those of one scenario compared with that scenario's baseline."""

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
            name = cell.key if cell.queries_per_turn is None else cell.scenario
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
            # Those that take turns run at the same time.
            total += max(known)
        return total


def make_plan(matrix: Matrix) -> Plan:
    """Expand the matrix. Raises UsageError for options that main.py does not take."""
    threads: tuple[int | None, ...] = matrix.threads or (None,)
    places = [
        (variant, scenario, count)
        for scenario in matrix.scenarios
        for variant in matrix.variants
        for count in threads
    ]
    keys = [_key(number, *place) for number, place in enumerate(places, start=1)]
    baseline = matrix.baseline or matrix.variants[0].name
    # The first cell of the baseline in each scenario.
    baselines: dict[str, str] = {}
    for key, (variant, scenario, _) in zip(keys, places, strict=True):
        if variant.name == baseline:
            baselines.setdefault(scenario, key)
    return Plan(
        matrix,
        tuple(
            Cell(
                key=key,
                variant=variant.name,
                scenario=scenario,
                threads=count,
                arguments=_arguments(variant, scenario, count),
                metric=metric_for(matrix, scenario),
                baseline=baselines[scenario],
                queries_per_turn=matrix.queries_per_turn if scenario in TURN_SCENARIOS else None,
                unmade=variant.unmade,
            )
            for key, (variant, scenario, count) in zip(keys, places, strict=True)
        ),
    )


def _key(number: int, variant: Variant, scenario: str, threads: int | None) -> str:
    words = f"{variant.name} {scenario}" + (f" {threads}" if threads else "")
    slug = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in words)
    return f"{number:02d}-{slug.lower()[:60]}"


def _arguments(variant: Variant, scenario: str, threads: int | None) -> tuple[str, ...]:
    options = dict(variant.options) | {"scenario": scenario}
    if threads is not None:
        options["threads"] = threads
    arguments = to_arguments(options)
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
    if scenario == "Server" and parsed.qps is None:
        raise UsageError(
            f'Variant "{variant.name}": Server latencies compare at one rate only; set qps.'
        )
    return arguments
