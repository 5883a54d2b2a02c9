"""The interval of a difference of accuracies over the same images."""

import numpy as np
import pytest

from mlperf_benchmark.compare.intervals import NO_DIFFERENCE
from mlperf_benchmark.compare.paired_accuracy import WORSE, compare_answers, difference


def test_published_example() -> None:
    """Fagerland, Lydersen, Laake (Statistics in Medicine 33, 2014): Tango's interval."""
    airways = difference(gained=1, lost=7, images=21)
    assert airways.points == pytest.approx(-28.6, abs=0.05)
    assert (airways.low, airways.high) == pytest.approx((-51.7, -2.6), abs=0.05)
    assert airways.verdict == WORSE


def test_179_and_180_of_200_are_the_same() -> None:
    assert difference(gained=0, lost=1, images=200).verdict == NO_DIFFERENCE
    assert difference(gained=3, lost=4, images=200).verdict == NO_DIFFERENCE


def test_answers_that_all_agree_do_not_prove_equality() -> None:
    same = difference(0, 0, 20)
    # z² / (n + z²)
    assert same.high == pytest.approx(100 * 1.96**2 / (20 + 1.96**2), abs=0.01)
    assert same.low == pytest.approx(-same.high)


@pytest.mark.parametrize(("gained", "lost"), [(20, 0), (0, 20), (19, 1), (1, 19), (10, 10)])
def test_interval_holds_the_difference_and_mirrors(gained: int, lost: int) -> None:
    one, other = difference(gained, lost, 20), difference(lost, gained, 20)
    assert -100 <= one.low <= one.points <= one.high <= 100
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-6)


def test_answers_are_paired_image_by_image() -> None:
    found = compare_answers([True, True, False, False], [True, False, True, True])
    assert (found.gained, found.lost, found.points) == (1, 2, -25)
    with pytest.raises(ValueError, match="not pairs"):
        compare_answers([True], [True, False])


@pytest.mark.parametrize(("images", "gains", "loses"), [(200, 0.02, 0.02), (200, 0.01, 0.08)])
def test_interval_holds_the_truth_as_often_as_it_says(
    images: int, gains: float, loses: float
) -> None:
    random = np.random.default_rng(0)
    drawn = random.multinomial(images, [gains, loses, 1 - gains - loses], size=1000)
    truth = 100 * (gains - loses)
    intervals = [difference(int(gained), int(lost), images) for gained, lost, _ in drawn]
    held = sum(one.low <= truth <= one.high for one in intervals)
    # 95 %, give or take what 1000 draws vary by.
    assert 930 <= held <= 975
