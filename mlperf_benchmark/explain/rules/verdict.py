"""How much faster the variant is, beside what was to be expected."""

from collections.abc import Iterator

from mlperf_benchmark.explain.record import Peaks, Statement, Variant
from mlperf_benchmark.explain.rules.facts import Facts

VERDICT = "verdict"

MATCHED = 0.9
"""Below this share of matched layers, the roofline says nothing about the whole model."""


def verdict(facts: Facts) -> Iterator[Statement]:
    """Yield the expected, possible and reached speed-up.

    The expected one follows from the multiply-accumulates, the possible one from the roofline;
    either is left out if there is nothing to compare, the possible one also if the layers of too
    few multiply-accumulates are matched.
    """
    baseline, variant = facts.baseline, facts.variant
    if baseline is None:
        return
    told = []
    work, now = _arithmetic(baseline, facts.peaks), _arithmetic(variant, facts.peaks)
    if work and now:
        told.append(f"expected {work / now:.2f} × by multiply-accumulates")
    before = sum(pair.before_ms for pair in facts.pairs)
    possible = sum(pair.possible_ms for pair in facts.pairs)
    if possible and _matched(facts) >= MATCHED:
        told.append(f"possible {before / possible:.2f} × by the roofline")
    told.append(f"reached {baseline.latency_ms.value / variant.latency_ms.value:.2f} ×")
    yield facts.statement(VERDICT, ", ".join(told))


def _matched(facts: Facts) -> float:
    """The share of the variant's multiply-accumulates in operators that the baseline has, too."""
    macs = sum(layer.macs for layer in facts.variant.layers)
    both = sum(layer.macs for pair in facts.pairs if pair.before for layer in pair.after)
    return both / macs if macs else 1.0


def _arithmetic(variant: Variant, peaks: Peaks) -> float:
    """Return the seconds that the model's multiply-accumulates take at the machine's peaks."""
    return sum(
        2e-9 * layer.macs / peaks.gops.get(layer.precision, peaks.gops["f32"])
        for layer in variant.layers
    )
