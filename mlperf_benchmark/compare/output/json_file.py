"""comparison.json: everything, for programs and for compare.py check, show and best."""

from mlperf_benchmark.compare.record import Comparison


def render(comparison: Comparison) -> str:
    return comparison.to_json()
