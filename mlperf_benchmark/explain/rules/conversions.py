"""Layers that the baseline does not have: conversions, and what it computes within others."""

from collections.abc import Iterator

from mlperf_benchmark.core.layer_profile import CONVERSION
from mlperf_benchmark.explain.pairs import fused_into
from mlperf_benchmark.explain.record import LayerRecord, Statement, Variant
from mlperf_benchmark.explain.rules.facts import Facts


def conversions(facts: Facts) -> Iterator[Statement]:
    """Yield the time of layout and precision changes that exceeds the baseline's."""
    added = _of_kind(facts.variant, CONVERSION)
    before = _of_kind(facts.baseline, CONVERSION) if facts.baseline else []
    lost = sum(one.ms.value for one in added) - sum(one.ms.value for one in before)
    if lost < facts.least_ms:
        return
    largest = max(added, key=lambda one: one.ms.value)
    yield facts.statement(
        "conversions",
        f"reorders and conversions add {lost:.3f} ms in {len(added)} layers; the largest is "
        f"{largest.name}, {largest.ms.value:.3f} ms",
        lost,
        "layers of another precision or layout lie between: keep neighbours in one precision, "
        "or run the model on another backend",
        *dict.fromkeys(one.operator for one in added),
    )


def _of_kind(variant: Variant, *kinds: str) -> list[LayerRecord]:
    return [layer for layer in variant.layers if layer.kind in kinds]


def not_fused(facts: Facts) -> Iterator[Statement]:
    """Yield operators that are fused in the baseline but run on their own here."""
    yield from _alone(
        facts,
        "not fused",
        "operators that the baseline computes within another layer run by themselves",
        is_fused_before=True,
    )


def unmatched(facts: Facts) -> Iterator[Statement]:
    """Yield operators that the baseline lacks, calls otherwise, or fuses without telling."""
    yield from _alone(
        facts,
        "not in the baseline",
        "operators that no layer of the baseline is known to compute are compared with nothing",
        is_fused_before=False,
    )


def _alone(facts: Facts, rule: str, text: str, *, is_fused_before: bool) -> Iterator[Statement]:
    """Yield a statement about the operators that have layers here and none in the baseline."""
    baseline = facts.baseline
    found = [
        pair
        for pair in facts.pairs
        if baseline is not None
        and not pair.before
        and pair.main is not None
        and pair.main.kind != CONVERSION
        and is_fused_before == (fused_into(baseline, pair.operator) is not None)
    ]
    lost = sum(pair.after_ms for pair in found)
    if found and lost >= facts.least_ms:
        worst = max(found, key=lambda pair: pair.after_ms)
        yield facts.statement(
            rule,
            f"{text}: {len(found)} of them take {lost:.3f} ms, the longest, {worst.operator}, "
            f"{worst.after_ms:.3f} ms",
            lost,
            "",
            *(pair.operator for pair in found),
        )
