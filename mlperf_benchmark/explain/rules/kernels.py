"""Layers whose kernels are slower than they could be."""

from collections.abc import Iterator, Sequence

from mlperf_benchmark.core.layer_profile import CONVERSION, DEPTHWISE
from mlperf_benchmark.explain.pairs import Pair
from mlperf_benchmark.explain.record import LayerRecord, Statement
from mlperf_benchmark.explain.rules.facts import MULTIPLYING, Facts, became_int8

NAMED = 3

SHORT_OF_BASELINE = 0.8
"""A layer that reaches less than this part of the baseline's share of the roofline falls behind."""


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


def slower_than_baseline(facts: Facts) -> Iterator[Statement]:
    """Yield layers that are slower than the baseline's by more than their times vary."""
    for pair in facts.pairs:
        lost = pair.after_ms - pair.before_ms
        if lost < facts.least_ms or not _is_slower(pair):
            continue
        layer, main = pair.after[0], pair.main
        quantized = main is not None and main.macs > 0 and became_int8(pair, main.kind)
        named = layer.origins[0] if quantized and layer.origins else None
        yield facts.statement(
            "slower than the baseline",
            f"{pair.operator} takes {pair.after_ms:.3f} ms, {pair.after_ms / pair.before_ms:.2f} × "
            f"the baseline's {pair.before_ms:.3f} ms",
            lost,
            f'leave it in FP32: prepare.py --keep-fp32 "{named}"' if named else "",
            pair.operator,
        )


def _is_slower(pair: Pair) -> bool:
    """Whether the variant is slower by more than the times vary.

    False for conversions, which have a rule of their own.
    """
    # Some runtimes tell whole microseconds, and so none at all of a small layer.
    if not pair.before_ms or not pair.after or pair.after[0].kind == CONVERSION:
        return False
    return sum(one.ms.low for one in pair.after) > sum(one.ms.high for one in pair.before)


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
    """Yield the layers further from their roofline than the baseline's, as one statement.

    What computes more channels than it has, or is slower than the baseline, is left to those rules.
    """
    lanes = facts.lanes
    found: list[tuple[float, Pair]] = []
    for pair in facts.pairs:
        layer = pair.main
        if not pair.before_ms or layer is None or layer.kind not in MULTIPLYING:
            continue
        if pair.possible_ms > SHORT_OF_BASELINE * pair.after_ms or _is_slower(pair):
            continue
        lost = pair.lost_ms - _wasted(layer, lanes) * layer.ms.value
        if lost >= facts.least_ms:
            found.append((lost, pair))
    if not found:
        return
    found.sort(key=lambda one: -one[0])
    total = sum(lost for lost, _ in found)
    yield facts.statement(
        "falls behind",
        _behind(*found[0]) if len(found) == 1 else _all_behind(found, total),
        total,
        _faster_kernel(facts),
        *(pair.operator for _, pair in found),
    )


def _behind(lost: float, pair: Pair) -> str:
    return (
        f"{pair.operator}: {lost:.3f} ms lost: it reaches {_reached(pair.after):.0%} of its "
        f"roofline, the baseline {_reached(pair.before):.0%}"
    )


def _all_behind(found: Sequence[tuple[float, Pair]], total: float) -> str:
    now = _range([_reached(pair.after) for _, pair in found])
    before = _range([_reached(pair.before) for _, pair in found])
    worst = ", ".join(f"{pair.operator} ({lost:.3f} ms)" for lost, pair in found[:NAMED])
    most = "most is lost in " if len(found) > NAMED else ""
    return (
        f"{len(found)} layers lose {total:.3f} ms: they reach {now} of their roofline, the "
        f"baseline {before}; {most}{worst}"
    )


def _range(shares: Sequence[float]) -> str:
    low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
    return low if low == high else f"{low} to {high}"


def _reached(layers: Sequence[LayerRecord]) -> float:
    """The share of their roofline."""
    return sum(one.bound_ms for one in layers) / sum(one.ms.value for one in layers)


def _faster_kernel(facts: Facts) -> str:
    if facts.variant.backend == "tvm":
        return "let the compiler try other tiles: prepare.py --backend tvm --tune 300"
    if any(one.backend == "tvm" for one in facts.all):
        # TVM's layers stand beside these.
        return ""
    return "try another backend: prepare.py --backend tvm --tune 300"
