"""A variant's layers beside those of the baseline that compute the same operator of the model."""

from collections.abc import Callable
from dataclasses import dataclass

from mlperf_benchmark.explain.operators import module_name
from mlperf_benchmark.explain.record import LayerRecord, Variant


@dataclass(frozen=True)
class Pair:
    """Layers of one operator; none on one side where it is fused there, or does not exist."""

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
        """The time of the variant if it came as near to its roofline as the baseline does."""
        if not self.before or not self.after:
            return 0.0
        before, after = _sum(self.before, _bound), _sum(self.after, _bound)
        return self.before_ms * after / before if before else self.after_ms

    @property
    def lost_ms(self) -> float:
        return self.after_ms - self.possible_ms

    @property
    def main(self) -> LayerRecord | None:
        """The variant's layer that does most of it."""
        return max(self.after, key=lambda layer: layer.ms.value, default=None)


def _bound(layer: LayerRecord) -> float:
    return layer.bound_ms


def _sum(layers: tuple[LayerRecord, ...], value: Callable[[LayerRecord], float]) -> float:
    return sum(map(value, layers))


def pairs_of(variant: Variant, baseline: Variant | None) -> list[Pair]:
    """In the order of the variant's execution, then what only the baseline has."""
    before, after = _by_operator(baseline), _by_operator(variant)
    return [
        Pair(operator, before.get(operator, ()), after.get(operator, ()))
        for operator in dict.fromkeys((*after, *before))
    ]


def _by_operator(variant: Variant | None) -> dict[str, tuple[LayerRecord, ...]]:
    found: dict[str, tuple[LayerRecord, ...]] = {}
    for layer in variant.layers if variant else ():
        found[layer.operator] = (*found.get(layer.operator, ()), layer)
    return found


def fused_into(variant: Variant, operator: str) -> str | None:
    """The operator of the layer that computes `operator` with its own, if there is one."""
    for layer in variant.layers:
        if layer.operator != operator and operator in map(module_name, layer.origins):
            return layer.operator
    return None
