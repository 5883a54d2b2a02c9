"""What is to be compared, and when the comparison is good enough."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mlperf_benchmark.compare.recipes import Making

Value = str | int | float | bool
Options = Mapping[str, Value | tuple[str, ...]]
"""Options of main.py by their names with underscores."""


@dataclass(frozen=True)
class Metric:
    """A figure of results.json that variants are compared by. `key` None is the throughput."""

    name: str
    key: str | None

    @property
    def higher_is_better(self) -> bool:
        return self.key is None

    @property
    def label(self) -> str:
        """With its unit."""
        return "samples/s" if self.key is None else f"latency {self.key}, ms"


THROUGHPUT = Metric("samples_per_second", None)
METRICS: Mapping[str, Metric] = MappingProxyType(
    {name: Metric(name, name) for name in ("p50", "p90", "p99", "mean")}
    | {THROUGHPUT.name: THROUGHPUT}
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

    `making` says how its model is made, where a recipe does; `unmade` why that failed.
    """

    name: str
    options: Options
    making: Making | None = None
    unmade: str | None = None


@dataclass(frozen=True)
class Matrix:
    """Variants × scenarios × threads. The first variant is the baseline unless one is named.

    `metric` None takes the median latency, in Offline the throughput. `threads` empty leaves
    them to the variants. With `queries_per_turn` variants run side by side and take turns of so
    many queries, in the scenarios that allow it.
    """

    title: str
    variants: tuple[Variant, ...]
    scenarios: tuple[str, ...] = ("SingleStream",)
    threads: tuple[int, ...] = ()
    baseline: str | None = None
    metric: str | None = None
    seed: int = 0
    accuracy: bool = True
    queries_per_turn: int | None = None
    stopping: Stopping = Stopping()


def metric_for(matrix: Matrix, scenario: str) -> Metric:
    """What decides in `scenario`. Offline has no latencies of use, so its throughput always."""
    if scenario == "Offline":
        return THROUGHPUT
    return METRICS[matrix.metric or "p50"]
