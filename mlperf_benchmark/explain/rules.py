"""What the differences mean, in words: a small rule for each kind of loss.

To add a rule, write a function that takes `Facts` and yields `Statement`s, and add it to `RULES`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mlperf_benchmark.core.layer_profile import (
    CONVERSION,
    CONVOLUTION,
    DEPTHWISE,
    ELEMENTWISE,
    LINEAR,
    POOLING,
)
from mlperf_benchmark.explain.pairs import Pair, pairs_of
from mlperf_benchmark.explain.record import LayerRecord, Peaks, Statement, Variant

WORTH_TELLING = 0.005
"""Of the latency: what costs less is left out."""

FLOATS = ("f32", "f16", "bf16", "f64")
MULTIPLYING = (CONVOLUTION, LINEAR)
SHORT_OF_BASELINE = 0.8
"""A layer that reaches less than this part of the baseline's share of the roofline falls behind."""


@dataclass(frozen=True)
class Facts:
    """`baseline` is None for a model that is explained alone."""

    peaks: Peaks
    variant: Variant
    baseline: Variant | None
    pairs: tuple[Pair, ...]

    @property
    def least_ms(self) -> float:
        return WORTH_TELLING * self.variant.latency_ms.value

    def statement(
        self, rule: str, text: str, lost: float = 0.0, advice: str = "", *operators: str
    ) -> Statement:
        return Statement(rule, self.variant.name, text, round(lost, 4), advice, operators)


Rule = Callable[[Facts], Iterable[Statement]]


def statements(variants: Sequence[Variant], peaks: Peaks) -> list[Statement]:
    """Of all rules: first what to expect of each variant, then the losses, the worst first."""
    baseline = variants[0] if len(variants) > 1 else None
    found: list[Statement] = []
    for variant in variants[1:] or variants:
        facts = Facts(peaks, variant, baseline, tuple(pairs_of(variant, baseline)))
        found += [statement for rule in RULES for statement in rule(facts)]
    return sorted(found, key=lambda one: (one.rule != VERDICT, -one.lost_ms))


VERDICT = "verdict"


def verdict(facts: Facts) -> Iterator[Statement]:
    """Expected by multiply-accumulates, possible by the roofline, reached."""
    baseline, variant = facts.baseline, facts.variant
    if baseline is None:
        return
    expected = _arithmetic(baseline, facts.peaks) / max(_arithmetic(variant, facts.peaks), 1e-12)
    before = sum(pair.before_ms for pair in facts.pairs)
    possible = before / max(sum(pair.possible_ms for pair in facts.pairs if pair.before), 1e-12)
    reached = baseline.latency_ms.value / variant.latency_ms.value
    yield facts.statement(
        VERDICT,
        f"{variant.name}: expected {expected:.2f} × by multiply-accumulates, possible "
        f"{possible:.2f} × by the roofline, reached {reached:.2f} ×",
    )


def _arithmetic(variant: Variant, peaks: Peaks) -> float:
    """Seconds of the model's multiply-accumulates at the peaks of what computes them."""
    return sum(
        2e-9 * layer.macs / peaks.gops.get(layer.precision, peaks.gops["f32"])
        for layer in variant.layers
    )


def padded_channels(facts: Facts) -> Iterator[Statement]:
    """Channels that a vector's lanes have to be filled up for, more of them than before."""
    lanes = facts.peaks.lanes
    for pair in facts.pairs:
        layer = pair.main
        if layer is None or layer.kind not in (*MULTIPLYING, DEPTHWISE):
            continue
        wasted = _wasted(layer, lanes)
        if wasted <= max((_wasted(one, lanes) for one in pair.before), default=0.0):
            continue
        lost = wasted * layer.ms.value
        if lost >= facts.least_ms:
            full = _padded(layer.output_channels, lanes)
            yield facts.statement(
                "padded channels",
                f"{pair.operator}: {lost:.3f} ms lost: {layer.output_channels} channels run as "
                f"{full}",
                lost,
                f"prune to multiples of {lanes}: prepare.py --round-to {lanes}",
                pair.operator,
            )


def _padded(channels: int, lanes: int) -> int:
    return -(-channels // lanes) * lanes


def _wasted(layer: LayerRecord, lanes: int) -> float:
    channels = layer.output_channels
    return 1 - channels / _padded(channels, lanes) if channels else 0.0


def stayed_in_float(facts: Facts) -> Iterator[Statement]:
    """Layers with weights that compute in floating point in a model that has INT8 ones."""
    layers = [one for one in facts.variant.layers if one.macs]
    peaks = facts.peaks.gops
    if not any(one.precision == "int8" for one in layers) or "int8" not in peaks:
        return
    for layer in layers:
        if layer.precision not in FLOATS or layer.kind == DEPTHWISE:
            continue
        lost = layer.ms.value * (1 - peaks["f32"] / peaks["int8"])
        if lost >= facts.least_ms:
            yield facts.statement(
                "stayed in floating point",
                f"{layer.operator} stayed in {_shown(layer.precision)}: up to {lost:.3f} ms lost",
                lost,
                "quantize it as well: look whether --keep-fp32 or --max-drop kept it, or take "
                "another --quantizer",
                layer.operator,
            )


def _shown(precision: str) -> str:
    return {"f32": "FP32", "f16": "FP16", "int8": "INT8"}.get(precision, precision)


def conversions(facts: Facts) -> Iterator[Statement]:
    """What the runtime put in to change layout or precision, beyond the baseline's."""
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


def memory_bound(facts: Facts) -> Iterator[Statement]:
    """Layers that INT8 arithmetic cannot make quicker, as they wait for their bytes."""
    peaks = facts.peaks.gops
    if facts.baseline is None or "int8" not in peaks:
        return
    ratio = peaks["int8"] / peaks["f32"]
    for kind, name in (
        (DEPTHWISE, "depthwise convolutions"),
        (LINEAR, "linear layers"),
        (ELEMENTWISE, "elementwise layers"),
        (POOLING, "pooling layers"),
    ):
        waiting = [
            pair
            for pair in facts.pairs
            if pair.before
            and pair.main
            and pair.main.kind == kind
            and pair.main.precision == "int8"
            and all(one.precision in FLOATS for one in pair.before)
            and _waits(pair.main, facts.peaks)
        ]
        before, after = sum(p.before_ms for p in waiting), sum(p.after_ms for p in waiting)
        lost = after - before / ratio
        if lost >= facts.least_ms:
            bytes_ratio = sum(map(_bytes, (p.before[0] for p in waiting))) / max(
                sum(_bytes(p.main) for p in waiting if p.main), 1
            )
            yield facts.statement(
                "waits for memory",
                f"{name} wait for memory, not for arithmetic: INT8 moves {bytes_ratio:.1f} × fewer "
                f"bytes but cannot make them {ratio:.1f} × faster; {len(waiting)} of them take "
                f"{after:.3f} ms, {before / after:.2f} × faster than before",
                lost,
                "",
                *(pair.operator for pair in waiting),
            )


def _waits(layer: LayerRecord, peaks: Peaks) -> bool:
    peak = peaks.gops.get(layer.precision)
    arithmetic = 2e-6 * layer.executed_macs / peak if peak else 0.0
    return layer.bound_ms > arithmetic


def _bytes(layer: LayerRecord) -> int:
    return layer.input_bytes + layer.weight_bytes + layer.output_bytes


def slower_than_baseline(facts: Facts) -> Iterator[Statement]:
    """Layers that take longer than the baseline's, by more than both vary."""
    for pair in facts.pairs:
        if not pair.before or not pair.after:
            continue
        lost = pair.after_ms - pair.before_ms
        certain = sum(one.ms.low for one in pair.after) > sum(one.ms.high for one in pair.before)
        if lost < facts.least_ms or not certain:
            continue
        layer = pair.after[0]
        quantized = layer.precision == "int8" and layer.macs > 0
        yield facts.statement(
            "slower than the baseline",
            f"{pair.operator} takes {pair.after_ms:.3f} ms, {pair.after_ms / pair.before_ms:.2f} × "
            f"the baseline's {pair.before_ms:.3f} ms",
            lost,
            f'leave it in FP32: prepare.py --keep-fp32 "{layer.origins[0]}"' if quantized else "",
            pair.operator,
        )


def not_fused(facts: Facts) -> Iterator[Statement]:
    """Operators that run by themselves, and in the baseline do not."""
    found = [
        pair
        for pair in facts.pairs
        if facts.baseline is not None
        and pair.after
        and not pair.before
        and pair.main is not None
        and pair.main.kind != CONVERSION
        and pair.main.origins
    ]
    lost = sum(pair.after_ms for pair in found)
    if found and lost >= facts.least_ms:
        worst = max(found, key=lambda pair: pair.after_ms)
        yield facts.statement(
            "not fused",
            f"{len(found)} operators run by themselves that the baseline computes within another "
            f"layer: {lost:.3f} ms; the largest is {worst.operator}, {worst.after_ms:.3f} ms",
            lost,
            "",
            *(pair.operator for pair in found),
        )


def reference_kernels(facts: Facts) -> Iterator[Statement]:
    """Layers whose kernel was written to be right, not to be quick."""
    for layer in facts.variant.layers:
        if (
            layer.kernel.startswith(("ref", "default schedule"))
            and layer.ms.value >= facts.least_ms
        ):
            yield facts.statement(
                "reference kernel",
                f"{layer.operator} runs in a kernel that is not optimized ({layer.kernel}): "
                f"{layer.ms.value:.3f} ms",
                layer.ms.value,
                "replace the operator, or run the model on another backend",
                layer.operator,
            )


def falls_behind(facts: Facts) -> Iterator[Statement]:
    """Layers that come less near to the roofline than the baseline's, beyond other reasons."""
    lanes = facts.peaks.lanes
    for pair in facts.pairs:
        layer = pair.main
        if not pair.before or layer is None or layer.kind not in MULTIPLYING:
            continue
        if pair.possible_ms > SHORT_OF_BASELINE * pair.after_ms:
            continue
        lost = pair.lost_ms - _wasted(layer, lanes) * layer.ms.value
        if lost >= facts.least_ms:
            now = sum(one.bound_ms for one in pair.after) / pair.after_ms
            before = sum(one.bound_ms for one in pair.before) / pair.before_ms
            yield facts.statement(
                "falls behind",
                f"{pair.operator}: {lost:.3f} ms lost: it reaches {now:.0%} of its roofline, the "
                f"baseline {before:.0%}",
                lost,
                _faster_kernel(facts.variant.backend),
                pair.operator,
            )


def _faster_kernel(backend: str) -> str:
    if backend == "tvm":
        return "let the compiler try other tiles: prepare.py --backend tvm --tune 300"
    return "try another backend for it: prepare.py --backend tvm --tune 300"


RULES: tuple[Rule, ...] = (
    verdict,
    padded_channels,
    stayed_in_float,
    conversions,
    memory_bound,
    slower_than_baseline,
    not_fused,
    reference_kernels,
    falls_behind,
)
