"""What a kernel does to each result before storing it, as a short program of vector operations.

The steps after an operator (bias, residual addition, activation, requantization) are linear
except for clipping, rounding, functions and products. `plan` folds the linear parts, scales of
quantized tensors included, into one multiply-add per term between two non-linear ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlperf_benchmark.tvm_compiler.graph import (
    Activation,
    AddConstant,
    Clip,
    FloatArray,
    MultiplyConstant,
    MultiplyValue,
    Product,
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


@dataclass(frozen=True)
class Apply:
    """running = function(running), of `kernels/functions.py`."""

    function: str


@dataclass(frozen=True)
class Scale:
    """running = running * (coefficient * addend number `addend` + offset)."""

    addend: int
    coefficient: Coefficient
    offset: Coefficient


@dataclass(frozen=True)
class Multiply:
    """running = left(running) * right(running)."""

    left: tuple["Operation", ...]
    right: tuple["Operation", ...]


Operation = Linear | Limit | Round | Apply | Scale | Multiply


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

    def settle(self) -> None:
        """Emit everything pending before a non-linear operation."""
        self.apply_limit()
        self.flush()
        self.restart(_ONE, _ZERO)

    def apply(self, function: str) -> None:
        self.settle()
        self.operations.append(Apply(function))

    def scale(self, addend: int, quantization: Quantization | None) -> None:
        self.settle()
        factor = quantization.scale() if quantization else _ONE
        offset = -quantization.zero_point * factor if quantization else _ZERO
        coefficients = self.coefficient(factor), self.coefficient(offset)
        self.operations.append(Scale(addend, *coefficients))

    def multiply(self, product: Product) -> None:
        self.settle()
        self.operations.append(Multiply(self.branch(product.left), self.branch(product.right)))

    def branch(self, steps: Sequence[Step]) -> tuple[Operation, ...]:
        """Return the operations of steps that start from the running value and read no other
        values.
        """
        state = _Planner(self.channels, [(None, _ONE)], _ZERO, arrays=self.arrays)
        state.take(steps, {})
        state.settle()
        return tuple(state.operations)

    def take(self, steps: Sequence[Step], values: Mapping[str, Value]) -> list[str]:
        """Plan `steps`; return the dtypes of what they add or multiply by."""
        addends: list[str] = []
        for step in steps:
            if isinstance(step, Requantize):
                self.requantize(step.quantization)
            elif isinstance(step, Clip):
                self.clip(step.low, step.high)
            elif isinstance(step, Activation):
                self.apply(step.function)
            elif isinstance(step, Product):
                self.multiply(step)
            elif isinstance(step, AddConstant | MultiplyConstant):
                self.apply_limit()
                self.linear(step)
            else:
                quantization = values[step.value].quantization
                if isinstance(step, MultiplyValue):
                    self.scale(len(addends), quantization)
                else:
                    self.apply_limit()
                    self.add(len(addends), quantization)
                addends.append("uint8" if quantization else "float32")
        return addends

    def linear(self, step: AddConstant | MultiplyConstant) -> None:
        if isinstance(step, AddConstant):
            self.offset = self.offset + step.values
            return
        self.terms = [(a, c * step.values) for a, c in self.terms]
        self.offset = self.offset * step.values

    def add(self, addend: int, quantization: Quantization | None) -> None:
        factor = quantization.scale() if quantization else _ONE
        self.terms.append((addend, factor))
        if quantization:
            self.offset = self.offset - quantization.zero_point * factor

    def apply_limit(self) -> None:
        if self.limit != (-np.inf, np.inf):
            self.flush()
            self.operations.append(Limit(*self.limit))
            self.restart(_ONE, _ZERO)
            self.limit = (-np.inf, np.inf)

    def clip(self, low: float, high: float) -> None:
        """Keep the limit pending: a rounding that follows includes it at no cost."""
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
            # Limits that differ between channels after rounding.
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
    """Return the epilogue for `steps` after `scaling`, and its arrays of shape (channels,).

    `sink` is the view of the stored value; for uint8, the last step must quantize.
    """
    state = _Planner(sink.channels, [(None, scaling.scale)], scaling.offset)
    addends = state.take(steps, values)
    if sink.dtype == "float32":
        state.apply_limit()
        state.flush()
    epilogue = Epilogue(tuple(state.operations), tuple(addends), len(state.arrays), sink.dtype)
    return epilogue, state.arrays
