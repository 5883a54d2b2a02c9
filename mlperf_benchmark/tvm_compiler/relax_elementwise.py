"""Reads additions, multiplications and elementwise functions in Relax as steps of the graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from mlperf_benchmark.tvm_compiler.arrangement import Arranged, Shape, merged
from mlperf_benchmark.tvm_compiler.graph import (
    Activation,
    AddConstant,
    AddValue,
    Clip,
    ConstantValue,
    FloatArray,
    Identity,
    MultiplyConstant,
    MultiplyValue,
    Product,
    Step,
)
from mlperf_benchmark.tvm_compiler.operators.attention import Scores
from mlperf_benchmark.tvm_compiler.operators.rearrange import Rearrange
from mlperf_benchmark.tvm_compiler.relax_meaning import Meaning, number_of, shape_of
from mlperf_benchmark.tvm_compiler.relax_walk import Handler, Reader


@dataclass(frozen=True)
class _Kind:
    """The step for an operation with a constant, and that for one with another value."""

    constant: Callable[[FloatArray], Step]
    value: Callable[[str], Step]


_SUM = _Kind(AddConstant, AddValue)
_PRODUCT = _Kind(MultiplyConstant, MultiplyValue)


def steps(*made: Step) -> Handler:
    """Return a handler of a function with one argument."""
    return lambda reader, call: reader.step(call, *made)


def gelu(reader: Reader, call: Any) -> Meaning | None:
    inner = (_times(np.sqrt(0.5)), Activation("erf"), _plus(1))
    return reader.step(call, Product((), inner), _times(0.5))


def gelu_tanh(reader: Reader, call: Any) -> Meaning | None:
    """x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))."""
    scale = np.sqrt(2 / np.pi)
    cubic = Product((), (Product((), ()), _times(0.044715 * scale), _plus(scale)))
    return reader.step(call, Product((), (cubic, Activation("tanh"), _plus(1))), _times(0.5))


def add(reader: Reader, call: Any) -> Meaning | None:
    return _binary(reader, call, _SUM)


def multiply(reader: Reader, call: Any) -> Meaning | None:
    left, right = call.args
    if reader.constant(left) is not None:
        left, right = right, left
    part = _scaled_part(reader, call, left, reader.constant(right))
    return part or _binary(reader, call, _PRODUCT)


def subtract(reader: Reader, call: Any) -> Meaning | None:
    left, right = call.args
    values = reader.constant(right)
    if values is not None:
        return _with_constant(reader, call, reader.arranged(left), -values, _SUM)
    subtracted = reader.arranged(right)
    if subtracted is None:
        return None
    negative = reader.applied(subtracted, _times(-1))
    values = reader.constant(left)
    if values is not None:
        return _with_constant(reader, call, negative, values, _SUM)
    return _with_value(reader, call, reader.arranged(left), negative, _SUM)


def divide(reader: Reader, call: Any) -> Meaning | None:
    values = reader.constant(call.args[1])
    if values is None or not np.all(values):
        return None
    inverse = (np.float64(1) / values).astype(np.float32)
    part = _scaled_part(reader, call, call.args[0], inverse)
    return part or _with_constant(reader, call, reader.arranged(call.args[0]), inverse, _PRODUCT)


def power(reader: Reader, call: Any) -> Meaning | None:
    exponent = reader.constant(call.args[1])
    squares = exponent is not None and exponent.size == 1 and float(exponent.reshape(())) == 2.0
    return reader.step(call, Product((), ())) if squares else None


def leaky_relu(reader: Reader, call: Any) -> Meaning | None:
    """alpha * x + (1 - alpha) * max(x, 0), for any alpha."""
    source, alpha = reader.arranged(call.args[0]), float(call.attrs.alpha)
    if source is None:
        return None
    positive = reader.applied(source, Clip(0.0, np.inf), _times(1 - alpha))
    return reader.step(call, _times(alpha), AddValue(positive.value))


def clip(reader: Reader, call: Any) -> Meaning | None:
    low, high = (number_of(argument) for argument in call.args[1:3])
    return None if low is None or high is None else reader.step(call, Clip(low, high))


def bound(reader: Reader, call: Any) -> Meaning | None:
    """maximum(x, number) or minimum(x, number)."""
    return _bound(reader, call, call.op.name.removeprefix("relax."), *call.args)


def call_tir(reader: Reader, call: Any) -> Meaning | None:
    """The importer writes Clip as calls of functions named maximum and minimum."""
    name = call.args[0].name_hint.rstrip("0123456789_")
    arguments = call.args[1].fields
    if name not in ("maximum", "minimum") or len(arguments) != 2:
        return None
    return _bound(reader, call, name, *arguments)


def _bound(reader: Reader, call: Any, name: str, left: Any, right: Any) -> Meaning | None:
    limit, source = reader.constant(right), reader.arranged(left)
    if limit is None or limit.size != 1 or source is None:
        return None
    number = float(limit.reshape(()))
    low, high = (number, np.inf) if name == "maximum" else (-np.inf, number)
    return reader.as_meaning(reader.applied(source, Clip(low, high)), shape_of(call))


def batch_norm(reader: Reader, call: Any) -> Meaning | None:
    gamma, beta, mean, variance = (reader.constant(argument) for argument in call.args[1:5])
    known = gamma is not None and beta is not None and mean is not None
    if not known or variance is None or int(call.attrs.axis) != 1:
        return None
    scale = gamma / np.sqrt(variance + np.float32(call.attrs.epsilon))
    source = call.args[0]
    return reader.emit(
        Identity(),
        (reader.value(source),),
        shape_of(source),
        MultiplyConstant(scale),
        AddConstant(beta - mean * scale),
    )


def _scaled_part(
    reader: Reader, call: Any, source: Any, number: FloatArray | None
) -> Meaning | None:
    """Multiply a part of a value, or attention scores, by a number without making a new value."""
    if number is None or number.size != 1:
        return None
    factor = float(number.reshape(()))
    known = reader.meaning(source)
    if isinstance(known, Scores) and not known.normalised:
        return replace(known, call=call, factor=known.factor * factor)
    arranged = reader.arranged(source)
    if arranged is None or arranged.covers(reader.shape(arranged.value)):
        return None
    return arranged.scaled(factor)


def _binary(reader: Reader, call: Any, kind: _Kind) -> Meaning | None:
    left, right = call.args
    if reader.constant(left) is not None:
        left, right = right, left
    values = reader.constant(right)
    source = reader.arranged(left)
    if values is not None:
        return _with_constant(reader, call, source, values, kind)
    return _with_value(reader, call, source, reader.arranged(right), kind)


def _with_constant(
    reader: Reader,
    call: Any,
    source: Arranged | None,
    values: FloatArray,
    kind: _Kind,
) -> Meaning | None:
    shape = shape_of(call)
    if source is None or source.shape != shape:
        return None
    source = reader.whole(source)
    operand = spread(values, source, reader.shape(source.value))
    if operand is None:
        return None
    if operand.size == operand.shape[1]:
        return reader.as_meaning(reader.applied(source, kind.constant(operand.reshape(-1))), shape)
    name = reader.emit(ConstantValue(operand), (), operand.shape)
    return reader.as_meaning(reader.applied(source, kind.value(name)), shape)


def spread(values: FloatArray, arranged: Arranged, shape: Shape) -> FloatArray | None:
    """Return a constant as (1, C, H, W) beside a tensor that covers a value of `shape`, with
    extents of 1 if it is the same for all; None if it differs between images.
    """
    rank = len(arranged.dims)
    values = values.reshape((1,) * (rank - values.ndim) + values.shape)
    axes = {f.axis for d, dim in enumerate(arranged.dims) for f in dim if values.shape[d] > 1}
    if 0 in axes:
        return None
    coordinates = tuple(np.indices([shape[axis] if axis in axes else 1 for axis in range(4)]))
    places = tuple(
        arranged.index_of(coordinates, dim) if values.shape[dim] > 1 else np.intp(0)
        for dim in range(rank)
    )
    extents = coordinates[0].shape
    return np.ascontiguousarray(np.broadcast_to(values[places], extents), np.float32)


def _with_value(
    reader: Reader, call: Any, one: Arranged | None, other: Arranged | None, kind: _Kind
) -> Meaning | None:
    shape = shape_of(call)
    if one is None or other is None:
        return None
    if one.shape != shape:
        one, other = other, one
    if one.shape != shape or len(other.dims) > len(one.dims):
        return None
    one = reader.whole(one)
    name = beside(reader, other, one)
    return None if name is None else reader.as_meaning(reader.applied(one, kind.value(name)), shape)


def beside(reader: Reader, other: Arranged, one: Arranged) -> str | None:
    """Return `other` as a value in the layout of `one`, with extents of 1 where it is repeated.

    None if it differs only along parts of an axis.
    """
    padded = ((),) * (len(one.dims) - len(other.dims)) + other.dims
    extents = (1,) * (len(one.dims) - len(other.dims)) + other.shape
    dims = tuple(dim if count > 1 else () for dim, count in zip(one.dims, extents, strict=True))
    axes = {factor.axis for dim in dims for factor in dim}
    whole = reader.shape(one.value)
    shape = tuple(whole[axis] if axis in axes else 1 for axis in range(4))
    if int(np.prod(shape)) != int(np.prod(extents)):
        return None
    if padded == dims and reader.shape(other.value) == shape and other.covers(shape):
        return other.value
    if other.factor != 1.0:
        other = reader.whole(other)
        padded = ((),) * (len(one.dims) - len(other.dims)) + other.dims
    source = Arranged(reader.real(other.value), tuple(map(merged, padded)), other.start)
    return reader.emit(Rearrange(((source, Arranged("", dims)),)), (source.value,), shape)


def _times(number: float) -> MultiplyConstant:
    return MultiplyConstant(np.full(1, number, np.float32))


def _plus(number: float) -> AddConstant:
    return AddConstant(np.full(1, number, np.float32))


ELEMENTWISE: Mapping[str, Handler] = MappingProxyType(
    {
        "relax.add": add,
        "relax.subtract": subtract,
        "relax.multiply": multiply,
        "relax.divide": divide,
        "relax.power": power,
        "relax.maximum": bound,
        "relax.minimum": bound,
        "relax.clip": clip,
        "relax.call_tir": call_tir,
        "relax.negative": lambda reader, call: reader.step(call, _times(-1)),
        "relax.square": steps(Product((), ())),
        "relax.abs": steps(Activation("abs")),
        "relax.exp": steps(Activation("exp")),
        "relax.sigmoid": steps(Activation("sigmoid")),
        "relax.tanh": steps(Activation("tanh")),
        "relax.erf": steps(Activation("erf")),
        "relax.nn.relu": steps(Clip(0.0, np.inf)),
        "relax.nn.relu6": steps(Clip(0.0, 6.0)),
        "relax.nn.silu": steps(Product((), (Activation("sigmoid"),))),
        "relax.nn.gelu": gelu,
        "relax.nn.gelu_tanh": gelu_tanh,
        "relax.nn.leakyrelu": leaky_relu,
        "relax.nn.batch_norm": batch_norm,
    }
)
