"""The operator graph between Relax and the kernels: a few typed operators on NCHW values."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.tvm_compiler.arrangement import Arranged

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Quantization:
    """Affine quantization to uint8: real = scale * (stored - zero_point).

    `scales` holds one number, or one per channel. int8 tensors of a model are held as uint8
    with a zero point raised by 128, which is exact.
    """

    scales: tuple[float, ...]
    zero_point: int

    def scale(self) -> FloatArray:
        """Shape (1,) or (C,)."""
        return np.array(self.scales, np.float32)


@dataclass(frozen=True)
class Value:
    """A tensor between operators. `shape` is (N, C, H, W); classifiers have H = W = 1.

    Values of other ranks occur only between operators that fall back to TVM's own schedules.
    With `quantization` the tensor is stored as uint8, otherwise as float32.
    """

    name: str
    shape: tuple[int, ...]
    quantization: Quantization | None = None


@dataclass(frozen=True, eq=False)
class AddConstant:
    """Adds `values`, shape (C,) or (1,)."""

    values: FloatArray


@dataclass(frozen=True, eq=False)
class MultiplyConstant:
    """Multiplies by `values`, shape (C,) or (1,)."""

    values: FloatArray


@dataclass(frozen=True)
class Clip:
    """Limits to [low, high]; ReLU is (0, inf), ReLU6 (0, 6)."""

    low: float
    high: float


@dataclass(frozen=True)
class Requantize:
    """Rounds to the nearest value that `quantization` can hold."""

    quantization: Quantization


@dataclass(frozen=True)
class AddValue:
    """Adds another value: of the same shape, or with one image, channel or pixel for all."""

    value: str


@dataclass(frozen=True)
class MultiplyValue:
    """Multiplies by another value, see `AddValue`."""

    value: str


@dataclass(frozen=True)
class Activation:
    """Applies a function of `kernels/functions.py`."""

    function: str


@dataclass(frozen=True, eq=False)
class Product:
    """left(x) * right(x), as in x * sigmoid(x); steps that read other values are not allowed."""

    left: tuple["Step", ...]
    right: tuple["Step", ...]


Step = (
    AddConstant
    | MultiplyConstant
    | Clip
    | Requantize
    | AddValue
    | MultiplyValue
    | Activation
    | Product
)


@dataclass(frozen=True, eq=False)
class Weights:
    """Convolution weights (O, I / groups, KH, KW): float32, or int8 with one scale per O.

    `restored` ones are float32 here though the model holds 8 bits.
    """

    data: NDArray[Any]
    scales: FloatArray | None = None
    restored: bool = False

    def dequantized(self) -> FloatArray:
        scales = 1.0 if self.scales is None else self.scales.reshape(-1, 1, 1, 1)
        return np.asarray(self.data * scales, np.float32)


@dataclass(frozen=True, eq=False)
class Convolution:
    """2-D convolution without bias. `padding` is (top, left, bottom, right), of zeros.

    `linear` where the model has a product with a matrix instead.
    """

    weights: Weights
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int
    linear: bool = False

    @property
    def depthwise(self) -> bool:
        """Whether each channel has its own kernel, and gives one channel."""
        outputs, inputs = self.weights.data.shape[:2]
        return self.groups > 1 and inputs == 1 and outputs == self.groups


@dataclass(frozen=True)
class MaxPool:
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]


@dataclass(frozen=True)
class AveragePool:
    """`padding` counts as pixels of zeros if `counts_padding` is set."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    counts_padding: bool


@dataclass(frozen=True)
class GlobalAveragePool:
    """Mean over H and W."""


@dataclass(frozen=True)
class Identity:
    """Passes its input on; carries steps that found no producer to merge with."""


@dataclass(frozen=True)
class Image:
    """The uint8 NHWC input, normalised with a scale and an offset per channel."""


@dataclass(frozen=True, eq=False)
class ConstantValue:
    """A tensor of the model, (1, C, H, W), that is read like a value."""

    data: FloatArray


@dataclass(frozen=True)
class Argument:
    """A value as the argument of a Relax call that expects it in `shape` and this arrangement."""

    value: str
    shape: tuple[int, ...]
    arrangement: Arranged | None


@dataclass(frozen=True, eq=False)
class Fallback:
    """An operator without a kernel here: the Relax call is left to TVM's default schedule.

    `arguments` holds an `Argument`, a tuple of arguments, or the Relax expression of a constant
    each. `function` is the TIR function that a `call_tir` calls.
    """

    call: Any
    arguments: tuple[Any, ...]
    function: Any = None

    @property
    def name(self) -> str:
        if self.function is not None:
            return str(self.call.args[0].name_hint)
        return str(self.call.op.name).removeprefix("relax.").removeprefix("nn.")


class Custom:
    """Base of the operators in `operators/`."""

    def multiply_accumulates(self, shapes: tuple[tuple[int, ...], ...]) -> int:
        """Return the number for inputs of these shapes; only sums of products count."""
        del shapes
        return 0


Operator = (
    Convolution
    | MaxPool
    | AveragePool
    | GlobalAveragePool
    | Identity
    | Image
    | ConstantValue
    | Fallback
    | Custom
)


@dataclass(frozen=True, eq=False)
class Node:
    """`output` = steps(operator(inputs)). Values that steps add are not among `inputs`.

    `origins` are the operators of the model that it computes, that of `operator` first.
    """

    operator: Operator
    inputs: tuple[str, ...]
    output: str
    steps: tuple[Step, ...] = ()
    origins: tuple[str, ...] = ()

    def reads(self) -> tuple[str, ...]:
        """All values that the node reads, those that its steps add included."""
        return self.inputs + added_values(self.steps)


def added_values(steps: tuple[Step, ...]) -> tuple[str, ...]:
    """The values that steps add or multiply by, in the order of the addends of a kernel."""
    return tuple(step.value for step in steps if isinstance(step, AddValue | MultiplyValue))


PIXELS = "pixels"
"""The name of the input of a graph that takes images."""


@dataclass
class Graph:
    """Nodes in an order in which every value is written before it is read."""

    input: str
    output: str = ""
    output_shape: tuple[int, ...] = ()
    values: dict[str, Value] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def with_image_input(self) -> "Graph":
        """This graph for uint8 NHWC pixels instead of its normalised input."""
        normalise = Node(Image(), (PIXELS,), self.input)
        values = {PIXELS: replace(self.values[self.input], name=PIXELS), **self.values}
        return replace(self, input=PIXELS, values=values, nodes=[normalise, *self.nodes])

    def readers(self) -> dict[str, list[Node]]:
        readers: dict[str, list[Node]] = {name: [] for name in self.values}
        for node in self.nodes:
            for name in node.reads():
                readers[name].append(node)
        return readers
