"""Rules that put the differences into words, one for each kind of loss.

To add a rule, write a function that takes `Facts` and yields `Statement`s, and add it to `RULES`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mlperf_benchmark.core.layer_profile import (
    CONVERSION,
    CONVOLUTION,
    DEPTHWISE,
    ELEMENTWISE,
    LINEAR,
    POOLING,
)
from mlperf_benchmark.explain.pairs import Pair, fused_into, pairs_of
from mlperf_benchmark.explain.record import LayerRecord, Peaks, Statement, Variant
from mlperf_benchmark.tvm_compiler.storage import LANES

WORTH_TELLING = 0.005
"""Losses below this fraction of the latency are not reported."""

FLOATS = ("f32", "f16", "bf16", "f64")
MULTIPLYING = (CONVOLUTION, LINEAR)
WAITING = 0.5
"""Layers that reach more than this fraction of the memory roofline are said to wait for memory."""

LITTLE_ARITHMETIC: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        DEPTHWISE: (
            "depthwise convolutions",
            "sum over no channels, so that INT8's products of four channels at once do not apply",
        ),
        LINEAR: ("linear layers", "have little arithmetic for their bytes"),
        ELEMENTWISE: ("elementwise layers", "have little arithmetic for their bytes"),
        POOLING: ("pooling layers", "have little arithmetic for their bytes"),
    }
)

SHORT_OF_BASELINE = 0.8
"""A layer that reaches less than this part of the baseline's share of the roofline falls behind."""


@dataclass(frozen=True)
class Facts:
    """What the rules look at. `baseline` is None if a model is explained alone."""

    peaks: Peaks
    variant: Variant
    baseline: Variant | None
    pairs: tuple[Pair, ...]

    @property
    def least_ms(self) -> float:
        return WORTH_TELLING * self.variant.latency_ms.value

    @property
    def lanes(self) -> int:
        """The number of channels computed at once; TVM's kernels use blocks of 16 channels."""
        return max(self.peaks.lanes, LANES if self.variant.backend == "tvm" else 1)

    def statement(
        self, rule: str, text: str, lost: float = 0.0, advice: str = "", *operators: str
    ) -> Statement:
        return Statement(rule, self.variant.name, text, round(lost, 4), advice, operators)


Rule = Callable[[Facts], Iterable[Statement]]


def statements(variants: Sequence[Variant], peaks: Peaks) -> list[Statement]:
    """Apply all rules and return the verdict of each variant, then the losses, the worst first."""
    baseline = variants[0] if len(variants) > 1 else None
    found: list[Statement] = []
    for variant in variants[1:] or variants:
        facts = Facts(peaks, variant, baseline, tuple(pairs_of(variant, baseline)))
        found += [statement for rule in RULES for statement in rule(facts)]
    return sorted(found, key=lambda one: (one.rule != VERDICT, -one.lost_ms))


VERDICT = "verdict"


def verdict(facts: Facts) -> Iterator[Statement]:
    """Yield the expected, possible and reached speed-up.

    The expected one follows from the multiply-accumulates, the possible one from the roofline;
    either is left out if there is nothing to compare.
    """
    baseline, variant = facts.baseline, facts.variant
    if baseline is None:
        return
    told = []
    work, now = _arithmetic(baseline, facts.peaks), _arithmetic(variant, facts.peaks)
    if work and now:
        told.append(f"expected {work / now:.2f} × by multiply-accumulates")
    before = sum(pair.before_ms for pair in facts.pairs)
    if possible := sum(pair.possible_ms for pair in facts.pairs):
        told.append(f"possible {before / possible:.2f} × by the roofline")
    told.append(f"reached {baseline.latency_ms.value / variant.latency_ms.value:.2f} ×")
    yield facts.statement(VERDICT, ", ".join(told))


def _arithmetic(variant: Variant, peaks: Peaks) -> float:
    """Return the seconds that the model's multiply-accumulates take at the machine's peaks."""
    return sum(
        2e-9 * layer.macs / peaks.gops.get(layer.precision, peaks.gops["f32"])
        for layer in variant.layers
    )


def padded_channels(facts: Facts) -> Iterator[Statement]:
    """Yield layers that fill up vector lanes with more unused channels than the baseline does."""
    lanes = facts.lanes
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
    """Yield layers with weights that compute in floating point although others compute in INT8."""
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


def little_arithmetic(facts: Facts) -> Iterator[Statement]:
    """Yield kinds of layers that do too little arithmetic to gain the full speed-up of INT8."""
    peaks = facts.peaks.gops
    if facts.baseline is None or "int8" not in peaks:
        return
    ratio = peaks["int8"] / peaks["f32"]
    for kind, (name, reason) in LITTLE_ARITHMETIC.items():
        found = [pair for pair in facts.pairs if _became_int8(pair, kind)]
        if kind != DEPTHWISE:
            found = [pair for pair in found if pair.main and _waits(pair.main, facts.peaks)]
        before, after = sum(p.before_ms for p in found), sum(p.after_ms for p in found)
        lost = after - before / ratio
        if lost < facts.least_ms:
            continue
        fewer = sum(_bytes(one) for pair in found for one in pair.before) / max(
            sum(_bytes(one) for pair in found for one in pair.after), 1
        )
        reached = sum(one.bound_ms for pair in found for one in pair.after) / after
        why = "wait for memory, not for arithmetic" if reached >= WAITING else reason
        yield facts.statement(
            "little arithmetic",
            f"{name} {why}: INT8 moves {fewer:.1f} × fewer bytes but cannot make them "
            f"{ratio:.1f} × faster; {len(found)} of them take {after:.3f} ms, "
            f"{before / after:.2f} × faster than before",
            lost,
            "",
            *(pair.operator for pair in found),
        )


def _became_int8(pair: Pair, kind: str) -> bool:
    main = pair.main
    if main is None or main.kind != kind or main.precision != "int8" or not pair.before:
        return False
    return all(one.precision in FLOATS for one in pair.before)


def _waits(layer: LayerRecord, peaks: Peaks) -> bool:
    peak = peaks.gops.get(layer.precision)
    arithmetic = 2e-6 * layer.executed_macs / peak if peak else 0.0
    return layer.bound_ms > arithmetic


def _bytes(layer: LayerRecord) -> int:
    return layer.input_bytes + layer.weight_bytes + layer.output_bytes


def slower_than_baseline(facts: Facts) -> Iterator[Statement]:
    """Yield layers that are slower than the baseline's by more than their times vary."""
    for pair in facts.pairs:
        lost = pair.after_ms - pair.before_ms
        if lost < facts.least_ms or not _is_slower(pair):
            continue
        layer, main = pair.after[0], pair.main
        quantized = main is not None and main.macs > 0 and _became_int8(pair, main.kind)
        yield facts.statement(
            "slower than the baseline",
            f"{pair.operator} takes {pair.after_ms:.3f} ms, {pair.after_ms / pair.before_ms:.2f} × "
            f"the baseline's {pair.before_ms:.3f} ms",
            lost,
            f'leave it in FP32: prepare.py --keep-fp32 "{layer.origins[0]}"' if quantized else "",
            pair.operator,
        )


def _is_slower(pair: Pair) -> bool:
    """Whether the variant is slower by more than the times vary.

    False for layers that the runtime added, which have a rule of their own.
    """
    # Some runtimes tell whole microseconds, and so none at all of a small layer.
    if not pair.before_ms or not pair.after or not pair.after[0].origins:
        return False
    return sum(one.ms.low for one in pair.after) > sum(one.ms.high for one in pair.before)


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
        and pair.main.origins
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


def reference_kernels(facts: Facts) -> Iterator[Statement]:
    """Yield layers that run in an unoptimized reference kernel."""
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
    """Yield layers further from their roofline than the baseline's if no other rule explains it."""
    lanes = facts.lanes
    for pair in facts.pairs:
        layer = pair.main
        if not pair.before_ms or layer is None or layer.kind not in MULTIPLYING:
            continue
        if pair.possible_ms > SHORT_OF_BASELINE * pair.after_ms or _is_slower(pair):
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
    little_arithmetic,
    slower_than_baseline,
    not_fused,
    unmatched,
    reference_kernels,
    falls_behind,
)
