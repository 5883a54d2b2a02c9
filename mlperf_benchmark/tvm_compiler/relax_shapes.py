"""Reads operators that reshape, transpose, cut and join tensors in Relax.

If possible, only the arrangement of a tensor changes.
"""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from mlperf_benchmark.tvm_compiler.arrangement import CHANNELS, Arranged, natural, usual_channels
from mlperf_benchmark.tvm_compiler.graph import ConstantValue
from mlperf_benchmark.tvm_compiler.operators.join import Join
from mlperf_benchmark.tvm_compiler.operators.rearrange import Rearrange
from mlperf_benchmark.tvm_compiler.relax_meaning import (
    Meaning,
    QuantizedConstant,
    number_of,
    shape_of,
)
from mlperf_benchmark.tvm_compiler.relax_walk import Handler, Reader


def reshape(reader: Reader, call: Any) -> Meaning | None:
    meaning = reader.meaning(call.args[0])
    shape = shape_of(call)
    if isinstance(meaning, np.ndarray | QuantizedConstant):
        return meaning.reshape(shape)
    arranged = reader.arranged(call.args[0])
    if arranged is None:
        return None
    reshaped = arranged.reshaped(shape)
    if reshaped is None:
        reshaped = reader.rearranged(arranged).reshaped(shape)
    return None if reshaped is None else reader.as_meaning(reshaped, shape)


def permute(reader: Reader, call: Any) -> Meaning | None:
    meaning = reader.meaning(call.args[0])
    rank = len(shape_of(call))
    axes = [int(axis) % rank for axis in call.attrs.axes or reversed(range(rank))]
    if isinstance(meaning, np.ndarray):
        return np.asarray(meaning.transpose(axes))
    if isinstance(meaning, QuantizedConstant):
        data = meaning.data.transpose(axes)
        return QuantizedConstant(data, meaning.scales, axes.index(meaning.axis))
    arranged = reader.arranged(call.args[0])
    return None if arranged is None else reader.as_meaning(arranged.permuted(axes), shape_of(call))


def split(reader: Reader, call: Any) -> Meaning | None:
    arranged = reader.arranged(call.args[0])
    if arranged is None:
        return None
    dim = int(call.attrs.axis) % len(arranged.dims)
    whole = arranged.shape[dim]
    places = call.attrs.indices_or_sections
    parts = number_of(places)
    if parts is not None:
        size = -(-whole // int(parts))
        cuts = list(range(size, whole, size))
    else:
        cuts = [int(place) for place in places]
    bounds = [0, *cuts, whole]
    return tuple(
        _part(reader, arranged, dim, range(first, last)) for first, last in pairwise(bounds)
    )


def strided_slice(reader: Reader, call: Any) -> Meaning | None:
    arranged = reader.arranged(call.args[0])
    source = shape_of(call.args[0])
    rows = [_integers(argument) for argument in call.args[1:]]
    axes, begins, ends, *strides = rows
    steps = strides[0] if strides else [1] * len(axes)
    cuts = {
        axis % len(source): range(source[axis])[begin:end:step]
        for axis, begin, end, step in zip(axes, begins, ends, steps, strict=True)
    }
    if reader.is_number(call.args[0]):
        places = [cuts.get(dim, range(count)) for dim, count in enumerate(source)]
        return np.asarray(reader.meaning(call.args[0]))[np.ix_(*places)]
    if arranged is None or any(step < 0 for step in steps) or not all(cuts.values()):
        return None
    for dim, places_of_dim in cuts.items():
        arranged = _part(reader, arranged, dim, places_of_dim)
    return reader.as_meaning(arranged, shape_of(call))


def _integers(argument: Any) -> list[int]:
    """Return the numbers of a tuple, which the importer knows."""
    numbers = [number_of(field) for field in argument.fields]
    return [int(number) for number in numbers if number is not None]


def take(reader: Reader, call: Any) -> Meaning | None:
    """Read one position of a dimension, which is then dropped, or all positions in order, as
    torch's exporter writes strided tensors.
    """
    index = reader.constant(call.args[1])
    arranged = reader.arranged(call.args[0])
    if index is not None and arranged is not None and len(arranged.dims) == 1:
        in_order = np.array_equal(index.reshape(-1), np.arange(arranged.shape[0]))
        reshaped = arranged.reshaped(index.shape) if in_order else None
        return None if reshaped is None else reader.as_meaning(reshaped, shape_of(call))
    if index is None or index.size != 1 or arranged is None or call.attrs.axis is None:
        return None
    dim = int(call.attrs.axis) % len(arranged.dims)
    place = int(index.reshape(())) % arranged.shape[dim]
    part = _part(reader, arranged, dim, range(place, place + 1))
    if index.ndim == 0:
        part = part.without(dim)
    return reader.as_meaning(part, shape_of(call)) if index.ndim < 2 else None


def _part(reader: Reader, arranged: Arranged, dim: int, places: range) -> Arranged:
    part = arranged.sliced(dim, places.start, len(places), places.step)
    if part is None:
        copy = reader.rearranged(arranged)
        part = copy.sliced(dim, places.start, len(places), places.step)
    assert part is not None, "no dimension of a copy has several factors"
    return part


def broadcast(reader: Reader, call: Any) -> Meaning | None:
    constant = reader.constant(call.args[0])
    if constant is None:
        return None
    return np.asarray(np.broadcast_to(constant, shape_of(call)))


def concat(reader: Reader, call: Any) -> Meaning | None:
    fields = call.args[0].fields
    rank = len(shape_of(call))
    dim = int(call.attrs.axis or 0) % rank
    constants = [reader.constant(field) for field in fields]
    if all(constant is not None for constant in constants):
        return np.concatenate([np.asarray(constant) for constant in constants], dim)
    parts = [
        reader.arranged(field) if constant is None else _constant_part(reader, constant)
        for field, constant in zip(fields, constants, strict=True)
    ]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or rank < 2:
        return None
    known = [part if part.factor == 1.0 else reader.rearranged(part) for part in known]
    joined = _joined(reader, known, dim)
    return reader.as_meaning(joined or _copied(reader, known, dim), shape_of(call))


def _constant_part(reader: Reader, constant: Any) -> Arranged | None:
    """Return a tensor of the model as a part to join; it is (1, ...) or the same for all images."""
    if constant.ndim not in (2, 3, 4):
        return None
    first = constant[:1]
    if not np.array_equal(np.broadcast_to(first, constant.shape), constant):
        return None
    channels = usual_channels(constant.ndim)
    shape, dims = natural(first.shape, channels)
    order = [0, channels, *(d for d in range(1, constant.ndim) if d != channels)]
    data = np.ascontiguousarray(first.transpose(order)).reshape(shape)
    return Arranged(reader.emit(ConstantValue(data), (), shape), dims)


def _joined(reader: Reader, parts: list[Arranged], dim: int) -> Arranged | None:
    """Join along the channels if the other dimensions of all parts are arranged alike."""
    channels: list[tuple[int, int]] = []
    first = parts[0]
    n, _, h, w = reader.shape(first.value)
    others = [d for d in range(len(first.dims)) if d != dim]
    if any(factor.axis == CHANNELS for d in others for factor in first.dims[d]):
        return None
    for number, part in enumerate(parts):
        shape = reader.shape(part.value)
        fits = all(factor.axis == CHANNELS for factor in part.dims[dim])
        fits &= all(part.dims[d] == first.dims[d] for d in others)
        fits &= (shape[0], *shape[2:]) == (n, h, w) and not any(part.start[a] for a in (0, 2, 3))
        if not fits:
            return None
        if int(np.prod([part.shape[d] for d in others])) != n * h * w:
            return None
        channels += [(number, int(place)) for place in part.positions(CHANNELS, dim)]
    names = tuple(
        part.value if reader.has_one_scale(part.value) else reader.real(part.value)
        for part in parts
    )
    name = reader.emit(Join(tuple(channels)), names, (n, len(channels), h, w))
    return Arranged(name, first.with_dim(dim, natural((1, len(channels)), 1)[1][1]).dims)


def _copied(reader: Reader, parts: list[Arranged], dim: int) -> Arranged:
    """Join along any dimension by copying each part."""
    extents = list(parts[0].shape)
    extents[dim] = sum(part.shape[dim] for part in parts)
    extents[0] = max(part.shape[0] for part in parts) if dim else extents[0]
    shape, dims = natural(tuple(extents), usual_channels(len(extents)))
    whole = Arranged("", dims)
    pairs = []
    first = 0
    for part in parts:
        source = Arranged(reader.real(part.value), part.dims, part.start)
        place = whole.sliced(dim, first, part.shape[dim])
        assert place is not None, "no dimension of a copy has several factors"
        pairs.append((source, place))
        first += part.shape[dim]
    names = tuple(source.value for source, _ in pairs)
    return Arranged(reader.emit(Rearrange(tuple(pairs)), names, shape), dims)


def shape_of_value(_: Reader, call: Any) -> Meaning:
    return np.array(shape_of(call.args[0]), np.int64)


SHAPES: Mapping[str, Handler] = MappingProxyType(
    {
        "relax.shape_of": shape_of_value,
        "relax.reshape": reshape,
        "relax.squeeze": reshape,
        "relax.expand_dims": reshape,
        "relax.flatten": reshape,
        "relax.nn.batch_flatten": reshape,
        "relax.permute_dims": permute,
        "relax.split": split,
        "relax.strided_slice": strided_slice,
        "relax.take": take,
        "relax.broadcast_to": broadcast,
        "relax.concat": concat,
    }
)
