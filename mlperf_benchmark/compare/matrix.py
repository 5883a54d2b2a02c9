"""What is to be compared, and when the comparison is good enough."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mlperf_benchmark.compare.recipes import Making
from mlperf_benchmark.run.result import Figures

Value = str | int | float | bool
Options = Mapping[str, Value | tuple[str, ...]]
"""Options of main.py by their names with underscores."""


@dataclass(frozen=True)
class Metric:
    """A figure of results.json that variants are compared by. `key` is a latency's; None is the
    throughput, or the rate of the highest VALID run.
    """

    name: str
    key: str | None

    @property
    def higher_is_better(self) -> bool:
        return self.key is None

    @property
    def label(self) -> str:
        """With its unit."""
        if self.key is not None:
            return f"latency {self.key}, ms"
        return "samples/s" if self.name == THROUGHPUT.name else "peak queries/s"

    def of(self, figures: Figures) -> float:
        """Its value among LoadGen's figures; there is none of a peak rate."""
        return figures.samples_per_second if self.key is None else figures.latency_ms[self.key]


THROUGHPUT = Metric("samples_per_second", None)
PEAK = Metric("peak_qps", None)
METRICS: Mapping[str, Metric] = MappingProxyType(
    {name: Metric(name, name) for name in ("p50", "p90", "p99", "mean")}
    | {THROUGHPUT.name: THROUGHPUT, PEAK.name: PEAK}
)


@dataclass(frozen=True)
class Stopping:
    """When to stop: after `rounds`, or (None) as soon as the widest 95 % interval of a speed-up is
    `precision_goal` wide relative to the speed-up, and before `max_time` seconds are over.
    """

    rounds: int | None = None
    precision_goal: float = 0.03
    max_time: float = 900.0


@dataclass(frozen=True)
class Variant:
    """One way to run a model; `options` override those that all variants share.

    `not_run` is why it has a row without figures: what a backend cannot do is said, not left out.
    `making` says how its model is made, where a recipe does; `unmade` why that failed.
    """

    name: str
    options: Options
    not_run: str | None = None
    making: Making | None = None
    unmade: str | None = None


@dataclass(frozen=True)
class Matrix:
    """Variants × scenarios × sweeps. The first variant is the baseline unless one is named.

    `metric` None takes the median latency, in Offline the throughput. `sweeps` holds the values of
    options by their names, such as threads; those that are missing are left to the variants. With
    `queries_per_turn` variants run side by side and take turns of so many queries, with
    `tests_per_run` of whole tests, in the scenarios that allow it. `best` and `best_by` are the
    constraint and the metric of the fastest variant (compare/best.py). `explain` asks explain.py
    for the reasons.
    """

    title: str
    variants: tuple[Variant, ...]
    scenarios: tuple[str, ...] = ("SingleStream",)
    sweeps: Mapping[str, tuple[int | float, ...]] = field(default_factory=dict)
    baseline: str | None = None
    metric: str | None = None
    seed: int = 0
    accuracy: bool = True
    queries_per_turn: int | None = None
    tests_per_run: int | None = None
    best: str | None = None
    best_by: str | None = None
    explain: bool = False
    stopping: Stopping = Stopping()


def metric_for(matrix: Matrix, scenario: str) -> Metric:
    """What decides in `scenario`. Offline has no latencies of use, so its throughput always, and
    only Server has a rate to choose.
    """
    if scenario == "Offline":
        return THROUGHPUT
    if matrix.metric == PEAK.name and scenario != "Server":
        return METRICS["p50"]
    return METRICS[matrix.metric or "p50"]
