"""Medians and their intervals, on data with known answers."""

import numpy as np
import pytest

from mlperf_benchmark.compare.intervals import (
    FASTER,
    MIN_ROUNDS,
    NO_DIFFERENCE,
    SLOWER,
    TOO_FEW,
    median,
    median_ratio,
)


def test_values_without_spread_give_a_point() -> None:
    estimate = median([2.0] * 8, seed=0)
    assert (estimate.value, estimate.low, estimate.high, estimate.rounds) == (2.0, 2.0, 2.0, 8)


def test_the_median_lies_within_and_outliers_do_not_move_it() -> None:
    values = [1.0, 1.01, 0.99, 1.02, 0.98, 1.0, 1.0, 1.01, 9.0, 0.01]
    estimate = median(values, seed=0)
    assert estimate.value == 1.0
    assert estimate.low is not None
    assert estimate.high is not None
    assert 0.97 < estimate.low <= 1.0 <= estimate.high < 1.03


def test_the_same_seed_gives_the_same_interval() -> None:
    values = list(np.random.default_rng(3).normal(1, 0.1, 12))
    assert median(values, seed=1) == median(values, seed=1)


def test_too_few_rounds_give_no_interval() -> None:
    estimate = median([1.0, 1.1, 1.2, 1.3, 1.4][: MIN_ROUNDS - 1], seed=0)
    assert estimate.low is None
    assert estimate.high is None
    assert estimate.width is None
    assert estimate.verdict == TOO_FEW


@pytest.mark.parametrize("rounds", [6, 10, 20])
def test_the_interval_holds_the_true_median_in_95_of_100(rounds: int) -> None:
    random = np.random.default_rng(rounds)
    held = 0
    for seed in range(300):
        estimate = median(list(random.normal(1, 0.05, rounds)), seed)
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= 1 <= estimate.high
    # 95 % less what 300 draws may be off.
    assert held >= 0.92 * 300


@pytest.mark.parametrize(
    ("shift", "verdict"), [(1.05, FASTER), (1.0, NO_DIFFERENCE), (0.95, SLOWER)]
)
def test_five_percent_stand_out_of_two_percent_of_noise(shift: float, verdict: str) -> None:
    values = shift * np.random.default_rng(0).normal(1, 0.02, 15)
    assert median(list(values), seed=0).verdict == verdict


def test_drift_that_both_share_cancels_round_by_round() -> None:
    drift = np.linspace(1, 3, 12)
    ratios = (5.0 * drift) / (4.0 * drift)
    estimate = median(list(ratios), seed=0)
    assert estimate.value == pytest.approx(1.25)
    assert estimate.width == pytest.approx(0)


def test_the_ratio_of_independent_medians() -> None:
    random = np.random.default_rng(1)
    slow, fast = random.normal(11, 0.1, 10), random.normal(10, 0.1, 12)
    estimate = median_ratio(list(slow), list(fast), seed=0)
    assert estimate.rounds == 10
    assert estimate.low is not None
    assert estimate.high is not None
    assert 1.08 < estimate.low < 1.1 < estimate.high < 1.12
