"""Types of option values: numbers that make no sense are refused at once."""

import argparse
import math

# What LoadGen and the runtimes keep in 32 bits.
LARGEST_WHOLE = 2**31 - 1
# As seconds: three decades, which still fit into 64 bits as nanoseconds.
LARGEST = 1e9
SMALLEST = 1e-9
MILLISECOND = 1e-3
LARGEST_SEED = 2**63 - 1
LARGEST_PORT = 2**16 - 1


def positive_int(text: str) -> int:
    return _whole(text, 1, LARGEST_WHOLE)


def not_negative_int(text: str) -> int:
    return _whole(text, 0, LARGEST_WHOLE)


def seed(text: str) -> int:
    return _whole(text, 0, LARGEST_SEED)


def port(text: str) -> int:
    return _whole(text, 1, LARGEST_PORT)


def positive(text: str) -> float:
    value = _number(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number above 0')
    return _within(text, value, SMALLEST)


def not_negative(text: str) -> float:
    value = _number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of at least 0')
    return _within(text, value, 0)


def duration(text: str) -> float:
    """Seconds that LoadGen counts in milliseconds."""
    return _within(text, positive(text), MILLISECOND)


def _whole(text: str, low: int, high: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if value < low:
        least = "above 0" if low == 1 else f"of at least {low}"
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number {least}')
    if value > high:
        raise argparse.ArgumentTypeError(f'"{text}" is too large: {high} at most')
    return value


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _within(text: str, value: float, low: float) -> float:
    if value < low:
        raise argparse.ArgumentTypeError(f'"{text}" is too small: {low:g} at least')
    if value > LARGEST:
        raise argparse.ArgumentTypeError(f'"{text}" is too large: {LARGEST:g} at most')
    return value
