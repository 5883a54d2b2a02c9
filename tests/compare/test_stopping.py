"""What stopping as soon as the interval is narrow does to false alarms, by simulation."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.compare.intervals import MIN_ROUNDS, NO_DIFFERENCE, Estimate, median
from mlperf_benchmark.compare.matrix import Stopping

SPREAD = 0.02
MOST_ROUNDS = 40
COMPARISONS = 300


def compared(ratios: NDArray[np.float64], seed: int) -> Estimate:
    """What a comparison says of these rounds' ratios: it stops where the interval is narrow."""
    for count in range(MIN_ROUNDS, len(ratios)):
        estimate = median(list(ratios[:count]), seed)
        assert estimate.width is not None
        if estimate.width <= Stopping().precision_goal:
            return estimate
    return median(list(ratios), seed)


def rounds(random: np.random.Generator, correlation: float) -> NDArray[np.float64]:
    """Ratios of equal variants, of which each round takes `correlation` from the one before."""
    fresh = random.normal(0, SPREAD, MOST_ROUNDS)
    noise = fresh.copy()
    for number in range(1, MOST_ROUNDS):
        noise[number] = (
            correlation * noise[number - 1] + np.sqrt(1 - correlation**2) * fresh[number]
        )
    return np.asarray(np.exp(noise))


def alarms(correlation: float, comparisons: int = COMPARISONS) -> float:
    """The share of comparisons of equal variants that show a difference."""

    def found() -> Iterator[bool]:
        random = np.random.default_rng(5)
        for seed in range(comparisons):
            yield compared(rounds(random, correlation), seed).verdict != NO_DIFFERENCE

    return float(np.mean(list(found())))


def test_independent_rounds_keep_false_alarms_at_five_percent() -> None:
    # 5 %, and what 300 comparisons may be off (two standard errors).
    assert alarms(correlation=0) <= 0.075


def test_rounds_that_hang_together_raise_them() -> None:
    """As docs/comparing.md says: an interval takes the rounds for independent."""
    assert alarms(correlation=0.5, comparisons=100) > 0.15
