"""What the rules look at."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlperf_benchmark.core.layer_profile import CONVOLUTION, LINEAR
from mlperf_benchmark.explain.pairs import Pair
from mlperf_benchmark.explain.record import Peaks, Statement, Variant
from mlperf_benchmark.tvm_compiler.storage import LANES

WORTH_TELLING = 0.005
"""Losses below this fraction of the latency are not reported."""

FLOATS = ("f32", "f16", "bf16", "f64")

MULTIPLYING = (CONVOLUTION, LINEAR)


@dataclass(frozen=True)
class Facts:
    """What the rules look at. `baseline` is None if a model is explained alone; `all` are the
    variants that are explained together.
    """

    peaks: Peaks
    variant: Variant
    baseline: Variant | None
    pairs: tuple[Pair, ...]
    all: tuple[Variant, ...]

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


def became_int8(pair: Pair, kind: str) -> bool:
    """Whether a layer of `kind` is in INT8 that was in floating point."""
    main = pair.main
    if main is None or main.kind != kind or main.precision != "int8" or not pair.before:
        return False
    return all(one.precision in FLOATS for one in pair.before)
