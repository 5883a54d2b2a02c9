"""Matches a variant's layers with the baseline's layers that compute the same operator."""

from collections.abc import Callable
from dataclasses import dataclass

from mlperf_benchmark.core.layer_profile import LINEAR
from mlperf_benchmark.explain.operators import module_name
from mlperf_benchmark.explain.record import LayerRecord, Variant

Layers = dict[str, tuple[LayerRecord, ...]]
"""By operator."""


@dataclass(frozen=True)
class Pair:
    """The layers that compute one operator in the baseline (`before`) and the variant (`after`).

    One side is empty if the operator is fused into another layer there or does not exist.
    """

    operator: str
    before: tuple[LayerRecord, ...]
    after: tuple[LayerRecord, ...]

    @property
    def before_ms(self) -> float:
        return sum(layer.ms.value for layer in self.before)

    @property
    def after_ms(self) -> float:
        return sum(layer.ms.value for layer in self.after)

    @property
    def possible_ms(self) -> float:
        """The variant's time if it came as close to its roofline as the baseline does."""
        if not self.before or not self.after:
            return 0.0
        before, after = _sum(self.before, _bound), _sum(self.after, _bound)
        return self.before_ms * after / before if before else self.after_ms

    @property
    def lost_ms(self) -> float:
        return self.after_ms - self.possible_ms

    @property
    def main(self) -> LayerRecord | None:
        """The variant's slowest layer of this pair."""
        return max(self.after, key=lambda layer: layer.ms.value, default=None)


def _bound(layer: LayerRecord) -> float:
    return layer.bound_ms


def _sum(layers: tuple[LayerRecord, ...], value: Callable[[LayerRecord], float]) -> float:
    return sum(map(value, layers))


def pairs_of(variant: Variant, baseline: Variant | None) -> list[Pair]:
    """Return the pairs in the variant's execution order, then those of the baseline alone."""
    before, after = _by_operator(baseline), _by_operator(variant)
    last, now = _classifier(baseline), _classifier(variant)
    if last and now and last not in after and now not in before:
        # One of the two models names its classifier after the model's output.
        before = {now if name == last else name: layers for name, layers in before.items()}
    before = _named_alike(before, after)
    return [
        Pair(operator, before.get(operator, ()), after.get(operator, ()))
        for operator in dict.fromkeys((*after, *before))
    ]


def _named_alike(before: Layers, after: Layers) -> Layers:
    """`before` with the names of `after`, where both multiply the same and call it otherwise.

    Exporters and wrappers name a network's operators as they like.
    """
    theirs, ours = _multiplying(before), _multiplying(after)
    named = len(theirs.keys() & ours.keys())
    if 2 * named > len(ours) or list(theirs.values()) != list(ours.values()):
        return before
    names = dict(zip(theirs, ours, strict=True))
    if {*names.values()} & (before.keys() - names.keys()):
        # Numbers for names, some of which mean other operators here.
        return before
    return {names.get(name, name): layers for name, layers in before.items()}


def _multiplying(layers: Layers) -> dict[str, tuple[tuple[int, int], ...]]:
    """The multiply-accumulates and channels of the operators that have any, in the order of
    execution.
    """
    found = {
        name: tuple((one.macs, one.output_channels) for one in parts if one.macs)
        for name, parts in layers.items()
    }
    return {name: sizes for name, sizes in found.items() if sizes}


def _by_operator(variant: Variant | None) -> Layers:
    found: Layers = {}
    for layer in variant.layers if variant else ():
        found[layer.operator] = (*found.get(layer.operator, ()), layer)
    return found


def _classifier(variant: Variant | None) -> str | None:
    """Return the operator of the variant's last linear layer."""
    linear = [one.operator for one in (variant.layers if variant else ()) if one.kind == LINEAR]
    return linear[-1] if linear else None


def fused_into(variant: Variant, operator: str) -> str | None:
    """Return the operator of the layer that `operator` is fused into, or None."""
    for layer in variant.layers:
        if layer.operator != operator and operator in map(module_name, layer.origins):
            return layer.operator
    return None
