"""Sentences that stand on the terminal and on the page."""

from mlperf_benchmark.core.text import finding
from mlperf_benchmark.explain.record import Peaks, Statement, Variant

MEGABYTE = 1e6


def cost(variant: Variant) -> str:
    """The profile's own cost: the sum of layers beside a whole inference without profiling."""
    latency = variant.latency_ms
    return (
        f"Sum of layers {variant.layers_ms:.3f} ms; a whole inference without profiling takes "
        f"{latency.value:.3f} ms (quartiles {latency.low:.3f} and {latency.high:.3f}), so that the "
        f"sum is {variant.unaccounted:+.1%} off."
    )


def machine(peaks: Peaks) -> str:
    """The measured peaks."""
    arithmetic = ", ".join(f"{name} {value:.0f} GOP/s" for name, value in peaks.gops.items())
    streams = ", ".join(
        f"{one.gigabytes_per_second:.0f} GB/s of {one.bytes / MEGABYTE:.1f} MB"
        for one in peaks.streams
    )
    return f"Peaks of this machine (threads: {peaks.threads}): {arithmetic}; reading {streams}."


def statement_text(statement: Statement) -> str:
    return finding(statement.variant, statement.text, statement.advice)
