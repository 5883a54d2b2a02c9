"""Reads Relax, as imported from ONNX, into the operator graph; also where QDQ is understood."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from tvm import relax
from tvm.ir import GenericConst

from contracts.errors import ModelError
from tvm_compiler.graph import (
    AddConstant,
    AddValue,
    Clip,
    Convolution,
    Fallback,
    FloatArray,
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
from tvm_compiler.relax_meaning import (
    Flattened,
    Meaning,
    QuantizedConstant,
    dequantized,
    four,
    number_of,
    quantization_of,
    quantized,
    shape_of,
    two,
)


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
        self.graph = Graph(input="input")
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
        self.graph.values["input"] = Value("input", shape_of(parameter))
        self.meanings[parameter] = "input"
        for block in self.function.body.blocks:
            for binding in block.bindings:
                self.meanings[binding.var] = self.bind(binding.value)
        result = self.function.body.body
        if not isinstance(result, relax.Var):
            raise ModelError("The model has more than one output; one is supported.")
        self.graph.output = self.real(self.value(result))
        self.graph.output_shape = shape_of(result)
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
        if isinstance(meaning, Flattened):
            name = self.fallback(meaning.call)
            self.meanings[expression] = name
            return name
        raise ModelError("The output of the model, or of one operator, is constant.")

    def constant(self, expression: Any) -> FloatArray | None:
        """A constant in real numbers, None for anything else."""
        if not isinstance(expression, (relax.Var, GenericConst)):
            return None
        meaning = self.meaning(expression)
        if isinstance(meaning, QuantizedConstant):
            return meaning.real()
        return meaning.astype(np.float32) if isinstance(meaning, np.ndarray) else None

    def is_feature_map(self, expression: Any) -> bool:
        """Whether this is a computed (N, C, H, W) or (N, C) tensor that kernels can read."""
        if not isinstance(expression, relax.Var) or self.constant(expression) is not None:
            return False
        return len(shape_of(expression)) in (2, 4)

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
        names = tuple(a for a, _ in resolved if isinstance(a, str))
        return self.emit(Fallback(call, resolved, function), names, shape_of(call))

    def argument(self, call: Any, expression: Any) -> tuple[Any, tuple[int, ...]]:
        """An argument of a fallback: the name of a value, or a Relax expression; its shape."""
        if isinstance(expression, relax.Tuple):
            raise ModelError(f'The operator "{call.op.name}" of the model is not supported.')
        if not isinstance(expression, relax.Var):
            return expression, ()
        meaning = self.meaning(expression)
        if isinstance(meaning, QuantizedConstant):
            meaning = meaning.real()
        if isinstance(meaning, np.ndarray):
            return relax.const(np.ascontiguousarray(meaning)), ()
        return self.real(self.value(expression)), shape_of(expression)

    def real(self, name: str) -> str:
        """The value itself, or a float32 copy of one that is stored as uint8."""
        value = self.graph.values[name]
        if value.quantization is None:
            return name
        return self.emit(Identity(), (name,), value.shape)

    def step(self, call: Any, *steps: Step) -> Meaning | None:
        if not self.is_feature_map(call.args[0]):
            return None
        return self.emit(Identity(), (self.value(call.args[0]),), shape_of(call), *steps)

    # Operators.

    def convolution(self, call: Any) -> Meaning | None:
        weights = self.weights(call.args[1])
        attributes = call.attrs
        if weights is None or attributes.data_layout != "NCHW" or len(shape_of(call)) != 4:
            return None
        groups = int(attributes.groups)
        channels = shape_of(call.args[0])[1]
        if groups not in (1, channels) or (groups > 1 and weights.data.shape[0] != channels):
            return None
        name = self.value(call.args[0])
        name, weights = self.same_precision(name, weights, depthwise=groups > 1)
        operator = Convolution(
            weights,
            two(attributes.strides),
            four(attributes.padding),
            two(attributes.dilation),
            groups,
        )
        return self.emit(operator, (name,), shape_of(call))

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
        if isinstance(meaning, QuantizedConstant) and meaning.axis == 0:
            return Weights(meaning.data, meaning.scales)
        constant = self.constant(expression)
        return None if constant is None else Weights(constant)

    def matmul(self, call: Any) -> Meaning | None:
        """A classifier: (N, K) x constant (K, M), as a convolution that leaves one pixel."""
        meaning = self.meaning(call.args[1])
        if isinstance(meaning, QuantizedConstant) and meaning.data.ndim == 2 and meaning.axis == 1:
            weights = Weights(meaning.data.T, meaning.scales)
        else:
            matrix = self.constant(call.args[1])
            if matrix is None or matrix.ndim != 2:
                return None
            weights = Weights(matrix.T)
        if not self.is_feature_map(call.args[0]) or len(shape_of(call)) != 2:
            return None
        source = self.meaning(call.args[0])
        height, width = 1, 1
        if isinstance(source, Flattened):
            height, width = self.graph.values[source.value].shape[2:]
            name = source.value
        else:
            name = self.value(call.args[0])
        weights = replace(weights, data=weights.data.reshape(len(weights.data), -1, height, width))
        name, weights = self.same_precision(name, weights, depthwise=False)
        operator = Convolution(weights, (1, 1), (0, 0, 0, 0), (1, 1), 1)
        return self.emit(operator, (name,), shape_of(call))

    def add(self, call: Any) -> Meaning | None:
        left, right = call.args
        if self.constant(left) is not None:
            left, right = right, left
        values = self.per_channel(right, call)
        if values is not None:
            return self.step(call, AddConstant(values))
        both = self.is_feature_map(left) and self.is_feature_map(right)
        if both and shape_of(left) == shape_of(right):
            return self.emit(
                Identity(), (self.value(left),), shape_of(call), AddValue(self.value(right))
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
        return self.emit(Identity(), (self.value(left),), shape_of(call), MultiplyConstant(values))

    def per_channel(self, expression: Any, call: Any) -> FloatArray | None:
        """A constant of one number per channel of the result, or one in all; None if not."""
        constant = self.constant(expression)
        rank = len(shape_of(call))
        if constant is None or rank not in (2, 4):
            return None
        if constant.size == 1:
            return constant.reshape(1)
        shape = (1,) * (rank - constant.ndim) + constant.shape
        if constant.size == shape[1] == shape_of(call)[1]:
            return constant.reshape(-1)
        return None

    def clip(self, call: Any) -> Meaning | None:
        low, high = (number_of(argument) for argument in call.args[1:3])
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
        return self.emit(Identity(), source, shape_of(call), Clip(low, high))

    def is_nan(self, call: Any) -> Meaning | None:
        constant = self.constant(call.args[0])
        return None if constant is None else np.asarray(np.isnan(constant))

    def where(self, call: Any) -> Meaning | None:
        condition, left, right = (self.constant(argument) for argument in call.args)
        if condition is None or left is None or right is None:
            return None
        return np.asarray(np.where(condition, left, right))

    def max_pool(self, call: Any) -> Meaning | None:
        attributes = call.attrs
        if two(attributes.dilation) != (1, 1) or attributes.ceil_mode:
            return None
        name = self.value(call.args[0])
        operator = MaxPool(
            two(attributes.pool_size), two(attributes.strides), four(attributes.padding)
        )
        # The largest of quantized numbers is itself one of them.
        quantization = self.graph.values[name].quantization
        steps = (Requantize(quantization),) if quantization else ()
        return self.emit(operator, (name,), shape_of(call), *steps)

    def global_pool(self, call: Any) -> Meaning | None:
        shape = shape_of(call.args[0])
        if len(shape) != 4:
            return None
        if call.op.name == "relax.mean":
            axes = sorted(int(axis) % 4 for axis in call.attrs.axis or ())
            covers_all = axes == [2, 3]
        elif call.op.name == "relax.nn.avg_pool2d":
            whole = two(call.attrs.pool_size) == shape[2:]
            covers_all = whole and four(call.attrs.padding) == (0, 0, 0, 0)
        else:
            covers_all = shape_of(call)[2:] == (1, 1)
        if not covers_all:
            return None
        return self.emit(GlobalAveragePool(), (self.value(call.args[0]),), shape_of(call))

    def reshape(self, call: Any) -> Meaning | None:
        meaning = self.meaning(call.args[0])
        shape = shape_of(call)
        if isinstance(meaning, np.ndarray):
            return meaning.reshape(shape)
        if isinstance(meaning, QuantizedConstant):
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
            return Flattened(name, call)
        return None

    def permute(self, call: Any) -> Meaning | None:
        meaning = self.meaning(call.args[0])
        axes = [int(axis) for axis in call.attrs.axes]
        if isinstance(meaning, np.ndarray):
            return np.asarray(meaning.transpose(axes))
        if isinstance(meaning, QuantizedConstant):
            data = meaning.data.transpose(axes)
            return QuantizedConstant(data, meaning.scales, axes.index(meaning.axis))
        return None

    def quantize(self, call: Any) -> Meaning | None:
        source, scale, zero = (self.meaning(argument) for argument in call.args)
        quantization = quantization_of(scale, zero, call)
        constant = self.constant(call.args[0])
        if constant is not None:
            return quantized(constant, scale, zero, call.attrs)
        if quantization is None or not self.is_feature_map(call.args[0]):
            raise ModelError(
                f"The model quantizes activations to {call.attrs.out_dtype} in a way that is not "
                "supported: int8 or uint8 with one zero point, and scales that are constant are."
            )
        if self.quantization(source) == quantization:
            return source
        name = self.value(call.args[0])
        return self.emit(Identity(), (name,), shape_of(call), Requantize(quantization))

    def dequantize(self, call: Any) -> Meaning | None:
        source, scale, zero = (self.meaning(argument) for argument in call.args)
        if isinstance(source, np.ndarray):
            return dequantized(source, scale, zero, int(call.attrs.axis))
        quantization = quantization_of(scale, zero, call)
        if quantization is None or self.quantization(source) != quantization:
            raise ModelError(
                "The model dequantizes a tensor in a way that is not supported: with the scale and "
                "zero point that it was quantized with, int8 or uint8 is."
            )
        return source

    def quantization(self, meaning: Meaning) -> Quantization | None:
        """How a value is stored, or one that is only read in another shape."""
        name = meaning.value if isinstance(meaning, Flattened) else meaning
        return self.graph.values[name].quantization if isinstance(name, str) else None
