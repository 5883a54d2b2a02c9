"""The search for the highest Server rate."""

import pytest

from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.run.peak_rate import RESOLUTION, highest_valid


@pytest.mark.parametrize("limit", [3.0, 41.7, 99.0, 180_000.0])
def test_search_ends_next_to_the_limit(limit: float) -> None:
    tried: list[float] = []

    def is_valid(rate: float, number: int) -> bool:
        if number == 1:
            tried.append(rate)
        return rate <= limit

    found = highest_valid(is_valid, ceiling=limit * 2.3)
    assert found <= limit
    assert found >= limit * (1 - 2 * RESOLUTION)
    assert len(tried) <= 8


def test_search_that_finds_nothing_says_what_to_change() -> None:
    with pytest.raises(RunError, match="raise --max-latency"):
        highest_valid(lambda _rate, _number: False, ceiling=100)
