"""Reads Relax, as imported from ONNX, into the operator graph; also where QDQ is understood."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import relax
from tvm.ir import GenericConst

from contracts.errors import ModelError
from tvm_compiler.graph import (
    AddConstant,
    AddValue,
    Clip,
    Convolution,
    Fallback,
    GlobalAveragePool,
    Graph,
    Identity,
    MaxPool,
    MultiplyConstant,
    Node,
    Operator,
    Quantization,
    Requantize,
    Step,
    Value,
    Weights,
)


@dataclass(frozen=True, eq=False)
class _Quantized:
    """A constant int8 tensor that is dequantized with `scales` along `axis`."""

    data: NDArray[Any]
    scales: NDArray[np.float32]
    axis: int

    def real(self) -> NDArray[np.float32]:
        shape = [1] * self.data.ndim
        shape[self.axis] = -1
        return (self.data * self.scales.reshape(shape)).astype(np.float32)


@dataclass(frozen=True)
class _Flattened:
    """(N, C, H, W) read as (N, C * H * W)."""

    value: str
    call: Any


Meaning = str | NDArray[Any] | _Quantized | _Flattened
"""What a Relax variable stands for: a value's name, a constant, or one that is not made yet."""


def read_relax(module: Any) -> Graph:
    """The graph of `main`. Raises ModelError for quantization that no kernel can express."""
    return _Reader(module).read()


class _Reader:
    def __init__(self, module: Any) -> None:
        self.module = module
        self.function = module["main"]
        if len(self.function.params) != 1:
            count = len(self.function.params)
            raise ModelError(f"The model has {count} inputs; one is supported.")
        self.meanings: dict[Any, Meaning] = {}
        self.graph = Graph(input="input", output="")
        self.handlers: dict[str, Callable[[Any], Meaning | None]] = {
            "relax.nn.conv2d": self.convolution,
            "relax.matmul": self.matmul,
            "relax.add": self.add,
            "relax.subtract": self.subtract,
            "relax.multiply": self.multiply,
            "relax.nn.relu": lambda call: self.step(call, Clip(0.0, float("inf"))),
            "relax.clip": self.clip,
            "relax.nn.max_pool2d": self.max_pool,
            "relax.nn.adaptive_avg_pool2d": self.global_pool,
            "relax.nn.avg_pool2d": self.global_pool,
            "relax.mean": self.global_pool,
            "relax.reshape": self.reshape,
            "relax.squeeze": self.reshape,
            "relax.expand_dims": self.reshape,
            "relax.flatten": self.reshape,
            "relax.nn.batch_flatten": self.reshape,
            "relax.permute_dims": self.permute,
            "relax.quantize": self.quantize,
            "relax.dequantize": self.dequantize,
            "relax.isnan": self.is_nan,
            "relax.where": self.where,
            "relax.call_tir": self.call_tir,
        }

    def read(self) -> Graph:
        parameter = self.function.params[0]
        self.graph.values["input"] = Value("input", _shape(parameter))
        self.meanings[parameter] = "input"
        for block in self.function.body.blocks:
            for binding in block.bindings:
                self.meanings[binding.var] = self.bind(binding.value)
        result = self.function.body.body
        if not isinstance(result, relax.Var):
            raise ModelError("The model has more than one output; one is supported.")
        self.graph.output = self.real(self.value(result))
        return self.graph

    def bind(self, expression: Any) -> Meaning:
        if isinstance(expression, (relax.Var, GenericConst)):
            return self.meaning(expression)
        handler = self.handlers.get(expression.op.name) if hasattr(expression, "op") else None
        meaning = handler(expression) if handler else None
        return self.fallback(expression) if meaning is None else meaning

    # What expressions mean.

    def meaning(self, expression: Any) -> Meaning:
        if isinstance(expression, relax.Var):
            return self.meanings[expression]
        return np.asarray(expression.value.numpy())

    def value(self, expression: Any) -> str:
        """The name of a value, made now if it was only noted down."""
        meaning = self.meaning(expression)
        if isinstance(meaning, str):
            return meaning
        if isinstance(meaning, _Flattened):
            name = self.fallback(meaning.call)
            self.meanings[expression] = name
            return name
        raise ModelError("The output of the model, or of one operator, is constant.")

    def constant(self, expression: Any) -> NDArray[np.float32] | None:
        """A constant in real numbers, None for anything else."""
        if not isinstance(expression, (relax.Var, GenericConst)):
            return None
        meaning = self.meaning(expression)
        if isinstance(meaning, _Quantized):
            return meaning.real()
        return meaning.astype(np.float32) if isinstance(meaning, np.ndarray) else None

    def is_feature_map(self, expression: Any) -> bool:
        """Whether this is a computed (N, C, H, W) or (N, C) tensor that kernels can read."""
        if not isinstance(expression, relax.Var) or self.constant(expression) is not None:
            return False
        return len(_shape(expression)) in (2, 4)

    # Making nodes.

    def emit(
        self, operator: Operator, inputs: tuple[str, ...], shape: tuple[int, ...], *steps: Step
    ) -> str:
        name = f"v{len(self.graph.values)}"
        last = steps[-1] if steps else None
        quantization = last.quantization if isinstance(last, Requantize) else None
        self.graph.values[name] = Value(name, shape, quantization)
        self.graph.nodes.append(Node(operator, inputs, name, steps))
        return name

    def fallback(self, call: Any) -> str:
        """Leave `call` to TVM. Its arguments become float32 in the layout of the model."""
        if not hasattr(call, "op") or not hasattr(call.ty, "shape"):
            raise ModelError(f"The operator {call} of the model cannot be compiled.")
        function = None
        arguments = list(call.args)
        if call.op.name == "relax.call_tir":
            function, arguments = self.module[call.args[0]], list(call.args[1].fields)
        resolved = tuple(self.argument(call, argument) for argument in arguments)
        names = tuple(a for a in resolved if isinstance(a, str))
        return self.emit(Fallback(call, resolved, function), names, _shape(call))

    def argument(self, call: Any, expression: Any) -> Any:
        """An argument of a fallback: the name of a value, or a Relax expression."""
        if isinstance(expression, relax.Tuple):
            raise ModelError(f'The operator "{call.op.name}" of the model is not supported.')
        if not isinstance(expression, relax.Var):
            return expression
        meaning = self.meaning(expression)
        if isinstance(meaning, _Quantized):
            return relax.const(meaning.real())
        if isinstance(meaning, np.ndarray):
            return relax.const(np.ascontiguousarray(meaning))
        return self.real(self.value(expression))

    def real(self, name: str) -> str:
        """The value itself, or a float32 copy of one that is stored as uint8."""
        value = self.graph.values[name]
        if value.quantization is None:
            return name
        return self.emit(Identity(), (name,), value.shape)

    def step(self, call: Any, *steps: Step) -> Meaning | None:
        if not self.is_feature_map(call.args[0]):
            return None
        return self.emit(Identity(), (self.value(call.args[0]),), _shape(call), *steps)

    # Operators.

    def convolution(self, call: Any) -> Meaning | None:
        weights = self.weights(call.args[1])
        attributes = call.attrs
        if weights is None or attributes.data_layout != "NCHW" or len(_shape(call)) != 4:
            return None
        groups = int(attributes.groups)
        channels = _shape(call.args[0])[1]
        if groups not in (1, channels) or (groups > 1 and weights.data.shape[0] != channels):
            return None
        name = self.value(call.args[0])
        name, weights = self.same_precision(name, weights, depthwise=groups > 1)
        operator = Convolution(
            weights,
            _two(attributes.strides),
            _four(attributes.padding),
            _two(attributes.dilation),
            groups,
        )
        return self.emit(operator, (name,), _shape(call))

    def same_precision(self, name: str, weights: Weights, depthwise: bool) -> tuple[str, Weights]:
        """Input and weights, both int8 where one accumulator can hold their products.

        Sums over input channels need one scale for all of these.
        """
        value = self.graph.values[name]
        if value.quantization is None:
            return name, Weights(weights.dequantized())
        summable = depthwise or len(value.quantization.scales) == 1
        if weights.scales is not None and summable:
            return name, weights
        return self.real(name), Weights(weights.dequantized())

    def weights(self, expression: Any) -> Weights | None:
        meaning = self.meaning(expression)
        if isinstance(meaning, _Quantized) and meaning.axis == 0:
            return Weights(meaning.data, meaning.scales)
        constant = self.constant(expression)
        return None if constant is None else Weights(constant)

    def matmul(self, call: Any) -> Meaning | None:
        """A classifier: (N, K) x constant (K, M), as a convolution that leaves one pixel."""
        meaning = self.meaning(call.args[1])
        if isinstance(meaning, _Quantized) and meaning.data.ndim == 2 and meaning.axis == 1:
            weights = Weights(meaning.data.T, meaning.scales)
        else:
            matrix = self.constant(call.args[1])
            if matrix is None or matrix.ndim != 2:
                return None
            weights = Weights(matrix.T)
        if not self.is_feature_map(call.args[0]) or len(_shape(call)) != 2:
            return None
        source = self.meaning(call.args[0])
        height, width = 1, 1
        if isinstance(source, _Flattened):
            height, width = self.graph.values[source.value].shape[2:]
            name = source.value
        else:
            name = self.value(call.args[0])
        weights = replace(weights, data=weights.data.reshape(len(weights.data), -1, height, width))
        name, weights = self.same_precision(name, weights, depthwise=False)
        operator = Convolution(weights, (1, 1), (0, 0, 0, 0), (1, 1), 1)
        return self.emit(operator, (name,), _shape(call))

    def add(self, call: Any) -> Meaning | None:
        left, right = call.args
        if self.constant(left) is not None:
            left, right = right, left
        values = self.per_channel(right, call)
        if values is not None:
            return self.step(call, AddConstant(values))
        both = self.is_feature_map(left) and self.is_feature_map(right)
        if both and _shape(left) == _shape(right):
            return self.emit(
                Identity(), (self.value(left),), _shape(call), AddValue(self.value(right))
            )
        return None

    def subtract(self, call: Any) -> Meaning | None:
        values = self.per_channel(call.args[1], call)
        return None if values is None else self.step(call, AddConstant(-values))

    def multiply(self, call: Any) -> Meaning | None:
        left, right = call.args
        if self.constant(left) is not None:
            left, right = right, left
        values = self.per_channel(right, call)
        if values is None or not self.is_feature_map(left):
            return None
        return self.emit(Identity(), (self.value(left),), _shape(call), MultiplyConstant(values))

    def per_channel(self, expression: Any, call: Any) -> NDArray[np.float32] | None:
        """A constant of one number per channel of the result, or one in all; None if not."""
        constant = self.constant(expression)
        rank = len(_shape(call))
        if constant is None or rank not in (2, 4):
            return None
        if constant.size == 1:
            return constant.reshape(1)
        shape = (1,) * (rank - constant.ndim) + constant.shape
        if constant.size == shape[1] == _shape(call)[1]:
            return constant.reshape(-1)
        return None

    def clip(self, call: Any) -> Meaning | None:
        low, high = (_number(argument) for argument in call.args[1:3])
        return None if low is None or high is None else self.step(call, Clip(low, high))

    def call_tir(self, call: Any) -> Meaning | None:
        """The importer writes Clip as calls of functions named maximum and minimum."""
        name = call.args[0].name_hint.rstrip("0123456789_")
        arguments = call.args[1].fields
        if name not in ("maximum", "minimum") or len(arguments) != 2:
            return None
        bound = self.constant(arguments[1])
        if bound is None or bound.size != 1 or not self.is_feature_map(arguments[0]):
            return None
        number = float(bound.reshape(()))
        low, high = (number, np.inf) if name == "maximum" else (-np.inf, number)
        source = (self.value(arguments[0]),)
        return self.emit(Identity(), source, _shape(call), Clip(low, high))

    def is_nan(self, call: Any) -> Meaning | None:
        constant = self.constant(call.args[0])
        return None if constant is None else np.asarray(np.isnan(constant))

    def where(self, call: Any) -> Meaning | None:
        constants = [self.constant(argument) for argument in call.args]
        if any(constant is None for constant in constants):
            return None
        condition, left, right = constants
        return np.asarray(np.where(condition, left, right))

    def max_pool(self, call: Any) -> Meaning | None:
        attributes = call.attrs
        if _two(attributes.dilation) != (1, 1) or attributes.ceil_mode:
            return None
        name = self.value(call.args[0])
        operator = MaxPool(
            _two(attributes.pool_size), _two(attributes.strides), _four(attributes.padding)
        )
        # The largest of quantized numbers is itself one of them.
        quantization = self.graph.values[name].quantization
        steps = (Requantize(quantization),) if quantization else ()
        return self.emit(operator, (name,), _shape(call), *steps)

    def global_pool(self, call: Any) -> Meaning | None:
        shape = _shape(call.args[0])
        if len(shape) != 4:
            return None
        if call.op.name == "relax.mean":
            axes = sorted(int(axis) % 4 for axis in call.attrs.axis or ())
            covers_all = axes == [2, 3]
        elif call.op.name == "relax.nn.avg_pool2d":
            whole = _two(call.attrs.pool_size) == shape[2:]
            covers_all = whole and _four(call.attrs.padding) == (0, 0, 0, 0)
        else:
            covers_all = _shape(call)[2:] == (1, 1)
        if not covers_all:
            return None
        return self.emit(GlobalAveragePool(), (self.value(call.args[0]),), _shape(call))

    def reshape(self, call: Any) -> Meaning | None:
        meaning = self.meaning(call.args[0])
        shape = _shape(call)
        if isinstance(meaning, np.ndarray):
            return meaning.reshape(shape)
        if isinstance(meaning, _Quantized):
            return meaning.real().reshape(shape)
        name = self.value(call.args[0])
        known = self.graph.values[name].shape
        if len(known) != 4 or len(shape) not in (2, 4):
            # (N, C) as (N, C, 1, 1) is the same data to every kernel.
            same = len(known) == 2 and len(shape) in (2, 4) and shape[:2] == known
            return name if same else None
        if shape[:2] == known[:2] and known[2:] == (1, 1):
            return name
        if len(shape) == 2 and shape == (known[0], known[1] * known[2] * known[3]):
            return _Flattened(name, call)
        return None

    def permute(self, call: Any) -> Meaning | None:
        meaning = self.meaning(call.args[0])
        axes = [int(axis) for axis in call.attrs.axes]
        if isinstance(meaning, np.ndarray):
            return meaning.transpose(axes)
        if isinstance(meaning, _Quantized):
            data = meaning.data.transpose(axes)
            return _Quantized(data, meaning.scales, axes.index(meaning.axis))
        return None

    def quantize(self, call: Any) -> Meaning | None:
        source, scale, zero = (self.meaning(argument) for argument in call.args)
        quantization = _quantization(scale, zero, call)
        if isinstance(source, (np.ndarray, _Quantized)):
            return self.quantize_constant(call, scale, zero)
        if quantization is None or not self.is_feature_map(call.args[0]):
            raise ModelError(
                f"The model quantizes activations to {call.attrs.out_dtype} in a way that is not "
                "supported: int8 or uint8 with one zero point, and scales that are constant are."
            )
        name = self.value(call.args[0])
        if self.graph.values[name].quantization == quantization:
            return name
        return self.emit(Identity(), (name,), _shape(call), Requantize(quantization))

    def quantize_constant(self, call: Any, scale: Any, zero: Any) -> Meaning:
        source = self.constant(call.args[0])
        assert source is not None
        shape = [1] * source.ndim
        if np.size(scale) > 1:
            shape[int(call.attrs.axis)] = -1
        bounds = np.iinfo(str(call.attrs.out_dtype))
        stored = np.rint(source / np.reshape(scale, shape)) + np.reshape(zero, shape)
        return np.clip(stored, bounds.min, bounds.max).astype(bounds.dtype)

    def dequantize(self, call: Any) -> Meaning | None:
        source, scale, zero = (self.meaning(argument) for argument in call.args)
        if isinstance(source, np.ndarray):
            return _dequantized(source, scale, zero, int(call.attrs.axis))
        if not isinstance(source, str) or _quantization(scale, zero, call) is None:
            raise ModelError(
                "The model dequantizes a tensor in a way that is not supported: int8 or uint8 "
                "with one zero point, and scales that are constant are."
            )
        if self.graph.values[source].quantization != _quantization(scale, zero, call):
            raise ModelError("The model quantizes and dequantizes a tensor with different scales.")
        return source


def _dequantized(data: NDArray[Any], scale: Any, zero: Any, axis: int) -> Meaning:
    axis %= max(data.ndim, 1)
    channels = data.shape[axis] if data.ndim else 1
    scales = np.broadcast_to(np.reshape(scale, -1), (channels,)).astype(np.float32)
    if data.dtype == np.int8 and not np.any(zero):
        return _Quantized(data, scales, axis)
    zeros = np.broadcast_to(np.reshape(zero, -1), (channels,)).astype(np.int64)
    shape = [1] * data.ndim
    if data.ndim:
        shape[axis] = -1
    real = (data.astype(np.int64) - zeros.reshape(shape)) * scales.reshape(shape)
    return real.astype(np.float32)


def _quantization(scale: Any, zero: Any, call: Any) -> Quantization | None:
    """The quantization as uint8; None when it is not constant or of a form that kernels have."""
    if not isinstance(scale, np.ndarray) or not isinstance(zero, np.ndarray):
        return None
    if zero.dtype not in (np.int8, np.uint8) or np.unique(zero).size != 1:
        return None
    if scale.size > 1 and int(call.attrs.axis) != 1:
        return None
    shift = 128 if zero.dtype == np.int8 else 0
    return Quantization(tuple(scale.reshape(-1).tolist()), int(zero.flat[0]) + shift)


def _shape(expression: Any) -> tuple[int, ...]:
    return tuple(int(extent) for extent in expression.ty.shape)


def _two(numbers: Any) -> tuple[int, int]:
    first, second = (int(number) for number in numbers)
    return first, second


def _four(numbers: Any) -> tuple[int, int, int, int]:
    top, left, bottom, right = (int(number) for number in numbers)
    return top, left, bottom, right


def _number(expression: Any) -> float | None:
    """A scalar constant, in any of the forms that Relax has for one."""
    if isinstance(expression, GenericConst):
        array = expression.value.numpy()
        return float(array.reshape(())) if array.size == 1 else None
    inner = getattr(expression, "value", None)
    inner = getattr(inner, "value", inner)
    return float(inner) if isinstance(inner, (int, float)) else None
