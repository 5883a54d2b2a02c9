"""What the operators of Relax become in the operator graph."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from mlperf_benchmark.tvm_compiler.graph import (
    AddConstant,
    AddValue,
    Clip,
    Convolution,
    FloatArray,
    GlobalAveragePool,
    Identity,
    MaxPool,
    MultiplyConstant,
    Requantize,
    Weights,
)
from mlperf_benchmark.tvm_compiler.relax_meaning import (
    Flattened,
    Meaning,
    QuantizedConstant,
    four,
    number_of,
    shape_of,
    two,
)
from mlperf_benchmark.tvm_compiler.relax_walk import Handler, Reader


def convolution(reader: Reader, call: Any) -> Meaning | None:
    weights = weights_of(reader, call.args[1])
    attributes = call.attrs
    if weights is None or attributes.data_layout != "NCHW" or len(shape_of(call)) != 4:
        return None
    groups = int(attributes.groups)
    channels = shape_of(call.args[0])[1]
    if groups not in (1, channels) or (groups > 1 and weights.data.shape[0] != channels):
        return None
    name = reader.value(call.args[0])
    name, weights = same_precision(reader, name, weights, depthwise=groups > 1)
    operator = Convolution(
        weights,
        two(attributes.strides),
        four(attributes.padding),
        two(attributes.dilation),
        groups,
    )
    return reader.emit(operator, (name,), shape_of(call))


def same_precision(
    reader: Reader, name: str, weights: Weights, depthwise: bool
) -> tuple[str, Weights]:
    """Input and weights, both int8 where one accumulator can hold their products.

    Sums over input channels need one scale for all of these.
    """
    value = reader.graph.values[name]
    was_quantized = weights.restored or weights.scales is not None
    if value.quantization is None:
        return name, Weights(weights.dequantized(), restored=was_quantized)
    summable = depthwise or len(value.quantization.scales) == 1
    if weights.scales is not None and summable:
        return name, weights
    return reader.real(name), Weights(weights.dequantized(), restored=was_quantized)


def weights_of(reader: Reader, expression: Any) -> Weights | None:
    """Weights (O, ...) of a constant; None for what is none."""
    constant = reader.constant(expression)
    if constant is None:
        return None
    meaning = reader.meaning(expression)
    if not isinstance(meaning, QuantizedConstant):
        return Weights(constant)
    scales = meaning.scales_of(0)
    return Weights(constant, restored=True) if scales is None else Weights(meaning.data, scales)


def matmul(reader: Reader, call: Any) -> Meaning | None:
    """A classifier: (N, K) x constant (K, M), as a convolution that leaves one pixel."""
    matrix = reader.constant(call.args[1])
    if matrix is None or matrix.ndim != 2:
        return None
    weights = Weights(matrix.T)
    meaning = reader.meaning(call.args[1])
    if isinstance(meaning, QuantizedConstant):
        scales = meaning.scales_of(1)
        weights = (
            replace(weights, restored=True) if scales is None else Weights(meaning.data.T, scales)
        )
    if not reader.is_feature_map(call.args[0]) or len(shape_of(call)) != 2:
        return None
    source = reader.meaning(call.args[0])
    height, width = 1, 1
    if isinstance(source, Flattened):
        height, width = reader.graph.values[source.value].shape[2:]
        name = source.value
    else:
        name = reader.value(call.args[0])
    weights = replace(weights, data=weights.data.reshape(len(weights.data), -1, height, width))
    name, weights = same_precision(reader, name, weights, depthwise=False)
    operator = Convolution(weights, (1, 1), (0, 0, 0, 0), (1, 1), 1)
    return reader.emit(operator, (name,), shape_of(call))


def add(reader: Reader, call: Any) -> Meaning | None:
    left, right = call.args
    if reader.constant(left) is not None:
        left, right = right, left
    values = per_channel(reader, right, call)
    if values is not None:
        return reader.step(call, AddConstant(values))
    both = reader.is_feature_map(left) and reader.is_feature_map(right)
    if both and shape_of(left) == shape_of(right):
        return reader.emit(
            Identity(), (reader.value(left),), shape_of(call), AddValue(reader.value(right))
        )
    return None


def subtract(reader: Reader, call: Any) -> Meaning | None:
    values = per_channel(reader, call.args[1], call)
    return None if values is None else reader.step(call, AddConstant(-values))


def multiply(reader: Reader, call: Any) -> Meaning | None:
    left, right = call.args
    if reader.constant(left) is not None:
        left, right = right, left
    values = per_channel(reader, right, call)
    if values is None or not reader.is_feature_map(left):
        return None
    return reader.emit(Identity(), (reader.value(left),), shape_of(call), MultiplyConstant(values))


def batch_norm(reader: Reader, call: Any) -> Meaning | None:
    gamma, beta, mean, variance = (reader.constant(argument) for argument in call.args[1:5])
    known = gamma is not None and beta is not None and mean is not None
    if not known or variance is None or int(call.attrs.axis) != 1:
        return None
    scale = gamma / np.sqrt(variance + np.float32(call.attrs.epsilon))
    steps = (MultiplyConstant(scale), AddConstant(beta - mean * scale))
    source = call.args[0]
    return reader.emit(Identity(), (reader.value(source),), shape_of(source), *steps)


def per_channel(reader: Reader, expression: Any, call: Any) -> FloatArray | None:
    """A constant of one number per channel of the result, or one in all; None if not."""
    constant = reader.constant(expression)
    rank = len(shape_of(call))
    if constant is None or rank not in (2, 4):
        return None
    if constant.size == 1:
        return constant.reshape(1)
    shape = (1,) * (rank - constant.ndim) + constant.shape
    if constant.size == shape[1] == shape_of(call)[1]:
        return constant.reshape(-1)
    return None


def clip(reader: Reader, call: Any) -> Meaning | None:
    low, high = (number_of(argument) for argument in call.args[1:3])
    return None if low is None or high is None else reader.step(call, Clip(low, high))


def call_tir(reader: Reader, call: Any) -> Meaning | None:
    """The importer writes Clip as calls of functions named maximum and minimum."""
    name = call.args[0].name_hint.rstrip("0123456789_")
    arguments = call.args[1].fields
    if name not in ("maximum", "minimum") or len(arguments) != 2:
        return None
    bound = reader.constant(arguments[1])
    if bound is None or bound.size != 1 or not reader.is_feature_map(arguments[0]):
        return None
    number = float(bound.reshape(()))
    low, high = (number, np.inf) if name == "maximum" else (-np.inf, number)
    source = (reader.value(arguments[0]),)
    return reader.emit(Identity(), source, shape_of(call), Clip(low, high))


def is_nan(reader: Reader, call: Any) -> Meaning | None:
    constant = reader.constant(call.args[0])
    return None if constant is None else np.asarray(np.isnan(constant))


def where(reader: Reader, call: Any) -> Meaning | None:
    condition, left, right = (reader.constant(argument) for argument in call.args)
    if condition is None or left is None or right is None:
        return None
    return np.asarray(np.where(condition, left, right))


def max_pool(reader: Reader, call: Any) -> Meaning | None:
    attributes = call.attrs
    if two(attributes.dilation) != (1, 1) or attributes.ceil_mode:
        return None
    name = reader.value(call.args[0])
    operator = MaxPool(two(attributes.pool_size), two(attributes.strides), four(attributes.padding))
    # The largest of quantized numbers is itself one of them.
    quantization = reader.graph.values[name].quantization
    steps = (Requantize(quantization),) if quantization else ()
    return reader.emit(operator, (name,), shape_of(call), *steps)


def global_pool(reader: Reader, call: Any) -> Meaning | None:
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
    return reader.emit(GlobalAveragePool(), (reader.value(call.args[0]),), shape_of(call))


def reshape(reader: Reader, call: Any) -> Meaning | None:
    meaning = reader.meaning(call.args[0])
    shape = shape_of(call)
    if isinstance(meaning, np.ndarray | QuantizedConstant):
        return meaning.reshape(shape)
    name = reader.value(call.args[0])
    known = reader.graph.values[name].shape
    if len(known) != 4 or len(shape) not in (2, 4):
        # (N, C) as (N, C, 1, 1) is the same data to every kernel.
        same = len(known) == 2 and len(shape) in (2, 4) and shape[:2] == known
        return name if same else None
    if shape[:2] == known[:2] and known[2:] == (1, 1):
        return name
    if len(shape) == 2 and shape == (known[0], known[1] * known[2] * known[3]):
        return Flattened(name, call)
    return None


def permute(reader: Reader, call: Any) -> Meaning | None:
    meaning = reader.meaning(call.args[0])
    axes = [int(axis) for axis in call.attrs.axes]
    if isinstance(meaning, np.ndarray):
        return np.asarray(meaning.transpose(axes))
    if isinstance(meaning, QuantizedConstant):
        data = meaning.data.transpose(axes)
        return QuantizedConstant(data, meaning.scales, axes.index(meaning.axis))
    return None


OPERATORS: Mapping[str, Handler] = MappingProxyType(
    {
        "relax.nn.conv2d": convolution,
        "relax.matmul": matmul,
        "relax.add": add,
        "relax.subtract": subtract,
        "relax.multiply": multiply,
        "relax.nn.batch_norm": batch_norm,
        "relax.nn.relu": lambda reader, call: reader.step(call, Clip(0.0, float("inf"))),
        "relax.clip": clip,
        "relax.nn.max_pool2d": max_pool,
        "relax.nn.adaptive_avg_pool2d": global_pool,
        "relax.nn.avg_pool2d": global_pool,
        "relax.mean": global_pool,
        "relax.reshape": reshape,
        "relax.squeeze": reshape,
        "relax.expand_dims": reshape,
        "relax.flatten": reshape,
        "relax.nn.batch_flatten": reshape,
        "relax.permute_dims": permute,
        "relax.isnan": is_nan,
        "relax.where": where,
        "relax.call_tir": call_tir,
    }
)
