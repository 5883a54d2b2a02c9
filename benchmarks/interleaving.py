"""A B A B …: so that a machine that drifts drifts for both."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Median of the rounds' ratios, and the range of their middle half."""

    median: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        return (
            f"{self.median:.3f} (middle half {self.low:.3f}-{self.high:.3f}, {self.rounds} rounds)"
        )


def interleave(subjects: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure each subject once a round, every other round in reverse order."""
    values: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(rounds):
        names = list(subjects)
        for name in names if number % 2 == 0 else reversed(names):
            values[name].append(subjects[name]())
    return values


def ratio(values: list[float], baseline: list[float]) -> Ratio:
    """Round by round, `values` over `baseline`."""
    ratios = [value / base for value, base in zip(values, baseline, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Ratio(median, low, high, len(ratios))
