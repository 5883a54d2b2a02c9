"""Median ratios with bootstrap intervals."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 5000
# Fewer values lie all on one side of the true median with a chance of more than 5 % (2 × 0.5^n),
# so no interval made of them can keep 95 %.
MIN_ROUNDS = 6

FASTER = "faster"
SLOWER = "slower"
NO_DIFFERENCE = "no difference shown"
TOO_FEW = "too few rounds"


@dataclass(frozen=True)
class Estimate:
    """A median or a ratio of medians. `low` and `high` are None for fewer than MIN_ROUNDS."""

    value: float
    low: float | None
    high: float | None
    rounds: int

    @property
    def width(self) -> float | None:
        """Of the interval, relative to the value."""
        return (
            None if self.low is None or self.high is None else (self.high - self.low) / self.value
        )

    @property
    def verdict(self) -> str:
        """Whether a ratio is shown to differ from 1."""
        if self.low is None or self.high is None:
            return TOO_FEW
        if self.low <= 1 <= self.high:
            return NO_DIFFERENCE
        return FASTER if self.low > 1 else SLOWER


def median(values: Sequence[float], seed: int) -> Estimate:
    """The median of `values` (at least one) with its interval."""
    return _estimate((np.asarray(values, float),), np.median, seed)


def round_ratios(
    own: Mapping[int, Sequence[float]],
    base: Mapping[int, Sequence[float]],
    *,
    higher_is_better: bool,
) -> list[float]:
    """How many times as fast as `base`, by round where both were measured.

    A round has a figure, or one for each of its turns: both took a turn within moments of each
    other, so that the median of the turns' ratios is free of what the machine did meanwhile.
    """
    ratios = []
    for number in sorted(own.keys() & base.keys()):
        turns = list(zip(own[number], base[number], strict=True))
        if all(figure > 0 for pair in turns for figure in pair):
            ratios.append(statistics.median(ours / theirs for ours, theirs in turns))
    return ratios if higher_is_better else [1 / ratio for ratio in ratios]


def median_ratio(values: Sequence[float], others: Sequence[float], seed: int) -> Estimate:
    """The median of `values` over that of `others`, taken independently of each other."""
    return _estimate((np.asarray(values, float), np.asarray(others, float)), _ratio, seed)


def _ratio(values: NDArray[np.float64], others: NDArray[np.float64], axis: int = -1) -> Any:
    return np.median(values, axis=axis) / np.median(others, axis=axis)


def _estimate(samples: tuple[NDArray[np.float64], ...], statistic: Any, seed: int) -> Estimate:
    rounds = min(len(sample) for sample in samples)
    value = float(statistic(*samples))
    if rounds < MIN_ROUNDS:
        return Estimate(value, None, None, rounds)
    if all(np.ptp(sample) == 0 for sample in samples):
        return Estimate(value, value, value, rounds)
    interval = stats.bootstrap(
        samples,
        statistic,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        confidence_level=_expanded(rounds),
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high), rounds)


def _expanded(count: int) -> float:
    """The level at which a percentile interval of few values keeps CONFIDENCE.

    The plain percentile interval is too narrow for small samples: of ten normal values it holds
    the median 93 % of the time. Hesterberg's expanded percentiles (What Teachers Should Know
    About the Bootstrap, 2015, section 5.3) widen it as Student's t does, to 96 %.
    """
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)
    return float(1 - 2 * stats.norm.cdf(-np.sqrt(count / (count - 1)) * quantile))
