"""The highest VALID Server rate, by bisection over short runs."""

import math
from collections.abc import Callable

from mlperf_benchmark.core.errors import RunError

STEP_SECONDS = 10.0
# Early stopping wants 662 queries at the least, and more where some are late.
STEP_QUERIES = 1000
# The search ends where the highest VALID and the lowest INVALID rate are so near.
RESOLUTION = 0.05
LOWEST_SHARE = 0.05
# Another program may spoil a step, so a rate is INVALID only if two runs at it are.
TRIES = 2


def highest_valid(is_valid: Callable[[float, int], bool], ceiling: float) -> float:
    """The highest rate below `ceiling` that is found valid, to within RESOLUTION.

    `is_valid` makes a run at a rate; a number tells the tries apart. Raises RunError where even a
    small share of the ceiling is not valid.
    """
    low, high = 0.0, ceiling
    while high - low > RESOLUTION * high:
        rate = rounded((low + high) / 2)
        if any(is_valid(rate, number) for number in range(1, TRIES + 1)):
            low = rate
        else:
            high = rate
        if high < LOWEST_SHARE * ceiling:
            raise RunError(
                f"Not even {high:g} queries/s met the latency bound: choose a faster variant, or "
                f"raise --max-latency."
            )
    return low


def step_seconds(asked: float | None, rate: float | None = None) -> float:
    """How long a step is: what was asked for, STEP_SECONDS at most, but long enough for a verdict
    at `rate` (None: in Offline, which gives the ceiling).
    """
    seconds = min(STEP_SECONDS, asked or STEP_SECONDS)
    return seconds if rate is None else max(seconds, STEP_QUERIES / rate)


def rounded(rate: float) -> float:
    """To three digits, so that a search made again meets the same rates."""
    return round(rate, 2 - math.floor(math.log10(rate)))
