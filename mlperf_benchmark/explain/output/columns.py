"""What a row of the tables shows, on the terminal and on the page."""

from collections.abc import Callable, Iterable

from mlperf_benchmark.explain.operators import fused
from mlperf_benchmark.explain.pairs import Pair, fused_into
from mlperf_benchmark.explain.record import LayerRecord, Variant
from mlperf_benchmark.explain.table import NONE, Column


def columns_of(variant: Variant, baseline: Variant | None) -> list[Column[Pair]]:
    """Those of `variant`, beside the baseline where there is one."""

    def where(pair: Pair) -> str:
        """The time, or which layer computes it instead."""
        if pair.after:
            return f"{pair.after_ms:.3f}"
        place = fused_into(variant, pair.operator)
        return f"in {place}" if place else NONE

    compared: list[Column[Pair]] = [
        Column("Before", lambda pair: _ms(pair.before_ms), lambda pair: pair.before_ms),
        Column("Faster", lambda pair: _times(_faster(pair)), _faster),
        Column("Possible", lambda pair: _times(_possible(pair)), _possible),
        Column("Lost ms", lambda pair: f"{pair.lost_ms:.3f}", lambda pair: pair.lost_ms),
    ]
    return [
        Column("Layer", lambda pair: pair.operator),
        Column("ms", where, lambda pair: pair.after_ms if pair.after else None),
        Column("±", _spread_text, _spread),
        Column(
            "Share", lambda pair: _share(_total(pair, _share_of)), lambda p: _total(p, _share_of)
        ),
        *(compared if baseline else ()),
        Column("MMACs", _macs, lambda pair: _total(pair, lambda one: one.macs)),
        Column("kB", _kilobytes, lambda pair: _total(pair, lambda one: one.bytes)),
        Column("In", lambda pair: _listed(one.precision for one in pair.after)),
        Column("Kernel", lambda pair: _listed(one.kernel for one in pair.after)),
        Column("GOP/s", lambda pair: _main(pair, lambda one: one.gops, ".0f"), _gops),
        Column("Peak", lambda pair: _main(pair, lambda one: one.peak_share, ".0%"), _peak),
        Column("Memory", lambda pair: _main(pair, lambda one: one.stream_share, ".0%"), _stream),
        Column(
            "With", lambda pair: _listed(name for one in pair.after for name in fused(one.origins))
        ),
    ]


def _ms(value: float) -> str:
    return f"{value:.3f}" if value else NONE


def _times(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f} ×"


def _faster(pair: Pair) -> float | None:
    return pair.before_ms / pair.after_ms if pair.before_ms and pair.after_ms else None


def _possible(pair: Pair) -> float | None:
    return pair.before_ms / pair.possible_ms if pair.before_ms and pair.possible_ms else None


def _spread(pair: Pair) -> float | None:
    """Half the distance of the quartiles."""
    if not pair.after:
        return None
    return sum(one.ms.high - one.ms.low for one in pair.after) / 2


def _spread_text(pair: Pair) -> str:
    half = _spread(pair)
    return NONE if half is None else f"{half:.3f}"


def _total(pair: Pair, value: Callable[[LayerRecord], float]) -> float:
    return sum(map(value, pair.after))


def _share_of(layer: LayerRecord) -> float:
    return layer.share


def _share(value: float) -> str:
    return f"{value:.1%}" if value else NONE


def _macs(pair: Pair) -> str:
    macs = _total(pair, lambda one: one.macs)
    return f"{macs / 1e6:.1f}" if macs else NONE


def _kilobytes(pair: Pair) -> str:
    size = _total(pair, lambda one: one.bytes)
    return f"{size / 1e3:.0f}" if size else NONE


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names)) or NONE


def _main(pair: Pair, value: Callable[[LayerRecord], float | None], form: str) -> str:
    number = value(pair.main) if pair.main else None
    return NONE if number is None else f"{number:{form}}"


def _gops(pair: Pair) -> float | None:
    return pair.main.gops if pair.main else None


def _peak(pair: Pair) -> float | None:
    return pair.main.peak_share if pair.main else None


def _stream(pair: Pair) -> float | None:
    return pair.main.stream_share if pair.main else None
