"""The rules, and how they are applied.

To add a rule, write a function that takes `Facts` and yields `Statement`s in the module of its
subject, and add it to `RULES`.
"""

from collections.abc import Sequence

from mlperf_benchmark.explain.pairs import pairs_of
from mlperf_benchmark.explain.record import Peaks, Statement, Variant
from mlperf_benchmark.explain.rules.conversions import conversions, not_fused, unmatched
from mlperf_benchmark.explain.rules.facts import Facts, Rule
from mlperf_benchmark.explain.rules.kernels import (
    falls_behind,
    padded_channels,
    reference_kernels,
    slower_than_baseline,
)
from mlperf_benchmark.explain.rules.precision import little_arithmetic, stayed_in_float
from mlperf_benchmark.explain.rules.verdict import VERDICT, verdict

RULES: tuple[Rule, ...] = (
    verdict,
    padded_channels,
    stayed_in_float,
    conversions,
    little_arithmetic,
    slower_than_baseline,
    not_fused,
    unmatched,
    reference_kernels,
    falls_behind,
)


def statements(variants: Sequence[Variant], peaks: Peaks) -> list[Statement]:
    """Apply all rules and return the verdict of each variant, then the losses, the worst first."""
    baseline = variants[0] if len(variants) > 1 else None
    found: list[Statement] = []
    for variant in variants[1:] or variants:
        facts = Facts(peaks, variant, baseline, tuple(pairs_of(variant, baseline)), tuple(variants))
        found += [statement for rule in RULES for statement in rule(facts)]
    return sorted(found, key=lambda one: (one.rule != VERDICT, -one.lost_ms))
