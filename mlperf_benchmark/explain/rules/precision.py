"""Layers that gain less from INT8 than it promises."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from mlperf_benchmark.core.layer_profile import DEPTHWISE, ELEMENTWISE, LINEAR, POOLING
from mlperf_benchmark.explain.record import LayerRecord, Peaks, Statement, Variant
from mlperf_benchmark.explain.rules.facts import FLOATS, Facts, became_int8

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


def stayed_in_float(facts: Facts) -> Iterator[Statement]:
    """Yield layers with weights that compute in floating point although others compute in INT8."""
    layers = [one for one in facts.variant.layers if one.macs]
    peaks, backend = facts.peaks.gops, facts.variant.backend
    if not any(one.precision == "int8" for one in layers) or "int8" not in peaks:
        return
    for layer in layers:
        if layer.precision not in FLOATS or layer.kind == DEPTHWISE:
            continue
        if any(_is_slower_in_int8(one, layer) for one in facts.all if one.backend == backend):
            continue
        lost = layer.ms.value * (1 - peaks["f32"] / peaks["int8"])
        if lost >= facts.least_ms:
            yield facts.statement(
                "stayed in floating point",
                f"{layer.operator} stayed in {_shown(layer.precision)}: up to {lost:.3f} ms lost",
                lost,
                "quantize it as well, if that makes it faster: without the --keep-fp32 or "
                "--max-drop that kept it, or with another --quantizer",
                layer.operator,
            )


def _is_slower_in_int8(other: Variant, layer: LayerRecord) -> bool:
    """Whether `other`, on the same backend, shows that `layer` is better left as it is."""
    return any(
        one.operator == layer.operator
        and one.precision == "int8"
        and 0 < one.macs <= layer.macs
        and one.ms.value >= layer.ms.value
        for one in other.layers
    )


def _shown(precision: str) -> str:
    return {"f32": "FP32", "f16": "FP16", "int8": "INT8"}.get(precision, precision)


def little_arithmetic(facts: Facts) -> Iterator[Statement]:
    """Yield kinds of layers that do too little arithmetic to gain the full speed-up of INT8."""
    peaks = facts.peaks.gops
    if facts.baseline is None or "int8" not in peaks:
        return
    ratio = peaks["int8"] / peaks["f32"]
    for kind, (name, reason) in LITTLE_ARITHMETIC.items():
        found = [pair for pair in facts.pairs if became_int8(pair, kind)]
        if kind != DEPTHWISE:
            found = [pair for pair in found if pair.main and _waits(pair.main, facts.peaks)]
        before, after = sum(p.before_ms for p in found), sum(p.after_ms for p in found)
        lost = after - before / ratio
        if lost < facts.least_ms:
            continue
        fewer = sum(one.bytes for pair in found for one in pair.before) / max(
            sum(one.bytes for pair in found for one in pair.after), 1
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


def _waits(layer: LayerRecord, peaks: Peaks) -> bool:
    peak = peaks.gops.get(layer.precision)
    arithmetic = 2e-6 * layer.executed_macs / peak if peak else 0.0
    return layer.bound_ms > arithmetic
