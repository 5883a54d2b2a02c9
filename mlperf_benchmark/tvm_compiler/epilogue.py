"""What a kernel does to each result before storing it, as a short program of vector operations.

The steps after an operator (bias, residual addition, activation, requantization) are linear
except for clipping and rounding. `plan` folds the linear parts, scales of quantized tensors
included, into one multiply-add per term between two non-linear ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlperf_benchmark.tvm_compiler.graph import (
    AddConstant,
    AddValue,
    Clip,
    FloatArray,
    MultiplyConstant,
    Quantization,
    Requantize,
    Step,
    Value,
)
from mlperf_benchmark.tvm_compiler.storage import View

_ONE = np.ones(1, np.float32)
_ZERO = np.zeros(1, np.float32)


@dataclass(frozen=True)
class PerChannel:
    """Array number `index` of the kernel's parameters: one number per channel."""

    index: int


Coefficient = float | PerChannel


@dataclass(frozen=True)
class Term:
    """`coefficient` times the running value (None) or addend number `addend`."""

    addend: int | None
    coefficient: Coefficient


@dataclass(frozen=True)
class Linear:
    """running = sum of the terms + offset."""

    terms: tuple[Term, ...]
    offset: Coefficient


@dataclass(frozen=True)
class Limit:
    """running = min(max(running, low), high), infinite where there is no limit."""

    low: float
    high: float


@dataclass(frozen=True)
class Round:
    """running = running rounded half to even, then limited to the integers [low, high]."""

    low: int
    high: int


Operation = Linear | Limit | Round


@dataclass(frozen=True)
class Epilogue:
    """`operations` from the accumulator to what is stored; uint8 after a final `Round`.

    `addends` are the dtypes of the values that are added; `arrays` counts the per-channel
    arrays that the kernel takes as parameters.
    """

    operations: tuple[Operation, ...]
    addends: tuple[str, ...]
    arrays: int
    stored: str


@dataclass
class _Planner:
    """Keeps running value = sum of coefficient * term + offset, numbers or per channel."""

    channels: int
    terms: list[tuple[int | None, FloatArray]]
    offset: FloatArray
    operations: list[Operation] = field(default_factory=list)
    arrays: list[FloatArray] = field(default_factory=list)
    limit: tuple[float, float] = (-np.inf, np.inf)

    def coefficient(self, values: FloatArray) -> Coefficient:
        values = np.broadcast_to(values, (self.channels,))
        if np.all(values == values[0]):
            return float(values[0])
        for index, known in enumerate(self.arrays):
            if np.array_equal(known, values):
                return PerChannel(index)
        self.arrays.append(np.ascontiguousarray(values, dtype=np.float32))
        return PerChannel(len(self.arrays) - 1)

    def flush(self, scale: FloatArray = _ONE, shift: float = 0.0) -> None:
        """Emit the linear form times `scale` plus `shift`, unless that changes nothing."""
        terms = tuple(Term(a, self.coefficient(c * scale)) for a, c in self.terms)
        offset = self.coefficient(self.offset * scale + np.float32(shift))
        if terms != (Term(None, 1.0),) or offset != 0.0:
            self.operations.append(Linear(terms, offset))

    def restart(self, scale: FloatArray, offset: FloatArray) -> None:
        self.terms = [(None, scale)]
        self.offset = offset

    def apply_limit(self) -> None:
        if self.limit != (-np.inf, np.inf):
            self.flush()
            self.operations.append(Limit(*self.limit))
            self.restart(_ONE, _ZERO)
            self.limit = (-np.inf, np.inf)

    def clip(self, low: float, high: float) -> None:
        """Keep the limit pending: a rounding that follows takes it for nothing."""
        self.limit = (
            min(max(self.limit[0], low), high),
            max(min(self.limit[1], high), low),
        )

    def requantize(self, target: Quantization) -> None:
        scale, zero = target.scale(), target.zero_point
        low, high = (
            np.unique(np.clip(np.rint(np.float32(bound) / scale) + zero, 0, 255))
            for bound in self.limit
        )
        if low.size > 1 or high.size > 1:
            # Limits that differ between channels once they are rounded.
            self.apply_limit()
            low, high = np.array([0.0]), np.array([255.0])
        self.limit = (-np.inf, np.inf)
        self.flush(np.float32(1.0) / scale, zero)
        self.operations.append(Round(int(low[0]), int(high[0])))
        self.restart(scale, -zero * scale)


@dataclass(frozen=True, eq=False)
class Scaling:
    """real = scale * accumulator + offset, each of shape (channels,) or (1,)."""

    scale: FloatArray
    offset: FloatArray

    @classmethod
    def none(cls) -> "Scaling":
        return cls(_ONE, _ZERO)


def plan(
    steps: Sequence[Step], values: Mapping[str, Value], scaling: Scaling, sink: View
) -> tuple[Epilogue, list[FloatArray]]:
    """The epilogue for `steps` after `scaling`, and its arrays of shape (channels,).

    `sink` is what is stored; uint8 must come from a last step that quantizes.
    """
    state = _Planner(sink.channels, [(None, scaling.scale)], scaling.offset)
    addends: list[str] = []
    for step in steps:
        if isinstance(step, Requantize):
            state.requantize(step.quantization)
            continue
        if isinstance(step, Clip):
            state.clip(step.low, step.high)
            continue
        state.apply_limit()
        if isinstance(step, AddConstant):
            state.offset = state.offset + step.values
        elif isinstance(step, MultiplyConstant):
            state.terms = [(a, c * step.values) for a, c in state.terms]
            state.offset = state.offset * step.values
        elif isinstance(step, AddValue):
            quantization = values[step.value].quantization
            factor = quantization.scale() if quantization else _ONE
            state.terms.append((len(addends), factor))
            if quantization:
                state.offset = state.offset - quantization.zero_point * factor
            addends.append("uint8" if quantization else "float32")
    if sink.dtype == "float32":
        state.apply_limit()
        state.flush()
    epilogue = Epilogue(tuple(state.operations), tuple(addends), len(state.arrays), sink.dtype)
    return epilogue, state.arrays
