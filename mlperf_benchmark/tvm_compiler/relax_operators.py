"""Turns operators of Relax into operators of the graph."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from mlperf_benchmark.tvm_compiler.arrangement import (
    SPATIAL,
    Arranged,
    extent,
    natural,
)
from mlperf_benchmark.tvm_compiler.graph import (
    AveragePool,
    Convolution,
    GlobalAveragePool,
    MaxPool,
    Requantize,
    Weights,
)
from mlperf_benchmark.tvm_compiler.relax_attention import attention, scores
from mlperf_benchmark.tvm_compiler.relax_meaning import (
    Meaning,
    QuantizedConstant,
    four,
    shape_of,
    two,
)
from mlperf_benchmark.tvm_compiler.relax_walk import Handler, Reader


def convolution(reader: Reader, call: Any) -> Meaning | None:
    weights = weights_of(reader, call.args[1])
    attributes = call.attrs
    if weights is None or attributes.data_layout != "NCHW" or len(shape_of(call)) != 4:
        return None
    if reader.arranged(call.args[0]) is None:
        return None
    name = reader.value(call.args[0])
    operator = Convolution(
        weights,
        two(attributes.strides),
        four(attributes.padding),
        two(attributes.dilation),
        int(attributes.groups),
    )
    name, weights = same_precision(reader, name, weights, operator.depthwise)
    return reader.emit(replace(operator, weights=weights), (name,), shape_of(call))


def same_precision(
    reader: Reader, name: str, weights: Weights, depthwise: bool
) -> tuple[str, Weights]:
    """Return input and weights, both in int8 if one accumulator can hold their products.

    Sums over input channels require one scale for all of these channels.
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
    """Return the weights (O, ...) of a constant, or None for other expressions."""
    constant = reader.constant(expression)
    if constant is None:
        return None
    meaning = reader.meaning(expression)
    if not isinstance(meaning, QuantizedConstant):
        return Weights(constant)
    scales = meaning.scales_of(0)
    return Weights(constant, restored=True) if scales is None else Weights(meaning.data, scales)


def matmul(reader: Reader, call: Any) -> Meaning | None:
    """Read (…, K) x constant (K, M) as a convolution: 1x1 if K are the channels, otherwise over all
    pixels, as after flattening. Other products belong to attention.
    """
    matrix = reader.constant(call.args[1])
    if matrix is None:
        return attention(reader, call) or scores(reader, call)
    source = reader.arranged(call.args[0])
    if matrix.ndim != 2 or source is None or len(source.dims) < 2:
        return None
    weights = Weights(matrix.T)
    meaning = reader.meaning(call.args[1])
    if isinstance(meaning, QuantizedConstant):
        scales = meaning.scales_of(1)
        weights = (
            replace(weights, restored=True) if scales is None else Weights(meaning.data.T, scales)
        )
    _, channels, height, width = reader.shape(source.value)
    flat = len(source.dims) == 2 and source.covers(reader.shape(source.value))
    if flat and extent(source.dims[1]) == channels * height * width:
        weights = replace(weights, data=_as_kernel(weights.data, source, (channels, height, width)))
    else:
        source = reader.whole(source, -1)
        height, width = 1, 1
        weights = replace(weights, data=weights.data.reshape(*weights.data.shape, 1, 1))
    name, weights = same_precision(reader, source.value, weights, depthwise=False)
    operator = Convolution(weights, (1, 1), (0, 0, 0, 0), (1, 1), 1, linear=True)
    outputs = matrix.shape[1]
    n, _, *pixels = reader.shape(name)
    left = (pixels[0] // height, pixels[1] // width)
    result = reader.emit(operator, (name,), (n, outputs, *left))
    dims = natural((n, outputs), 1)[1]
    return reader.as_meaning(Arranged(result, (*source.dims[:-1], dims[1])), shape_of(call))


def _as_kernel(weights: Any, source: Arranged, shape: tuple[int, int, int]) -> Any:
    """Return (O, K) as (O, C, H, W); K holds channels and pixels in the order of `source`."""
    places = np.indices((1, *shape))
    index = source.index_of(tuple(places), 1)[0]
    return np.ascontiguousarray(weights[:, index.reshape(-1)]).reshape(-1, *shape)


def max_pool(reader: Reader, call: Any) -> Meaning | None:
    attributes = call.attrs
    if two(attributes.dilation) != (1, 1) or reader.arranged(call.args[0]) is None:
        return None
    name = reader.value(call.args[0])
    operator = MaxPool(two(attributes.pool_size), two(attributes.strides), four(attributes.padding))
    # The largest of quantized numbers is itself one of them.
    quantization = reader.graph.values[name].quantization
    steps = (Requantize(quantization),) if quantization else ()
    return reader.emit(operator, (name,), shape_of(call), *steps)


def average_pool(reader: Reader, call: Any) -> Meaning | None:
    attributes = call.attrs
    if reader.arranged(call.args[0]) is None or two(attributes.dilation) != (1, 1):
        return None
    name = reader.value(call.args[0])
    kernel, padding = two(attributes.pool_size), four(attributes.padding)
    if kernel == shape_of(call.args[0])[2:] and padding == (0, 0, 0, 0):
        return reader.emit(GlobalAveragePool(), (name,), shape_of(call))
    operator = AveragePool(
        kernel, two(attributes.strides), padding, bool(attributes.count_include_pad)
    )
    return reader.emit(operator, (name,), shape_of(call))


def adaptive_pool(reader: Reader, call: Any) -> Meaning | None:
    if reader.arranged(call.args[0]) is None or shape_of(call)[2:] != (1, 1):
        return None
    return reader.emit(GlobalAveragePool(), (reader.value(call.args[0]),), shape_of(call))


def mean(reader: Reader, call: Any) -> Meaning | None:
    """Read a mean over all pixels, in any arrangement."""
    source = reader.arranged(call.args[0])
    if source is None:
        return None
    rank = len(source.dims)
    axes = {int(axis) % rank for axis in call.attrs.axis or range(rank)}
    source = reader.whole(source)
    factors = [factor for axis in axes for factor in source.dims[axis]]
    n, c, h, w = reader.shape(source.value)
    if any(factor.axis not in SPATIAL for factor in factors) or extent(tuple(factors)) != h * w:
        return None
    name = reader.emit(GlobalAveragePool(), (source.value,), (n, c, 1, 1))
    dims = [() if axis in axes else dim for axis, dim in enumerate(source.dims)]
    kept = [d for axis, d in enumerate(dims) if call.attrs.keepdims or axis not in axes]
    return reader.as_meaning(Arranged(name, tuple(kept)), shape_of(call))


OPERATORS: Mapping[str, Handler] = MappingProxyType(
    {
        "relax.nn.conv2d": convolution,
        "relax.matmul": matmul,
        "relax.nn.max_pool2d": max_pool,
        "relax.nn.adaptive_avg_pool2d": adaptive_pool,
        "relax.nn.avg_pool2d": average_pool,
        "relax.mean": mean,
    }
)
