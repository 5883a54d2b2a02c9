"""Attention and layer normalisation in Relax."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from mlperf_benchmark.tvm_compiler.arrangement import CHANNELS, Arranged, Dimension, Factor, merged
from mlperf_benchmark.tvm_compiler.graph import AddConstant, Identity, MultiplyConstant
from mlperf_benchmark.tvm_compiler.operators.attention import Attention, Heads, Scores
from mlperf_benchmark.tvm_compiler.operators.channel_norm import ChannelNorm
from mlperf_benchmark.tvm_compiler.relax_meaning import Meaning, shape_of
from mlperf_benchmark.tvm_compiler.relax_walk import Handler, Reader
from mlperf_benchmark.tvm_compiler.storage import LANES


def scores(reader: Reader, call: Any) -> Meaning | None:
    """Note Q K^T for later: no other product of two computed tensors is supported."""
    queries, keys = (reader.arranged(argument) for argument in call.args)
    if queries is None or keys is None or len(queries.dims) < 3:
        return None
    if queries.shape[:-2] != keys.shape[:-2]:
        return None
    rank = len(keys.dims)
    swapped = keys.permuted([*range(rank - 2), rank - 1, rank - 2])
    return Scores(call, queries, swapped)


def softmax(reader: Reader, call: Any) -> Meaning | None:
    meaning = reader.meaning(call.args[0])
    last = int(call.attrs.axis) % len(shape_of(call)) == len(shape_of(call)) - 1
    if not isinstance(meaning, Scores) or meaning.normalised or not last:
        return None
    return replace(meaning, call=call, normalised=True)


def attention(reader: Reader, call: Any) -> Meaning | None:
    """Read the product of softmaxed scores with V."""
    known = reader.meaning(call.args[0])
    values = reader.arranged(call.args[1])
    if not isinstance(known, Scores) or not known.normalised or values is None:
        return None
    if values.shape[:-2] != known.queries.shape[:-2]:
        return None
    factor = known.factor * known.queries.factor * known.keys.factor
    queries = replace(known.queries, factor=1.0)
    keys = replace(known.keys, factor=1.0)
    inputs = [_heads(reader, tensor) for tensor in (queries, keys, values)]
    (_, q), (_, k), (_, v) = inputs
    dims: tuple[Dimension, ...]
    batch, tokens, size = int(np.prod(values.shape[:-2])), queries.shape[-2], values.shape[-1]
    if size % LANES:
        v = replace(v, count=1)
        shape = (batch, size, 1, tokens)
        dims = (_run(0, 1, batch), _run(3, 1, tokens), _run(CHANNELS, 1, size))
    else:
        images = batch // v.count
        shape = (images, v.count * size, 1, tokens)
        heads = (_run(0, 1, images), _run(CHANNELS, size, v.count))
        dims = (*heads, _run(3, 1, tokens), _run(CHANNELS, 1, size))
    names = tuple(name for name, _ in inputs)
    operator = Attention(q, k, v, factor)
    result = Arranged(reader.emit(operator, names, shape, also=known.origins), dims)
    reshaped = result.reshaped(shape_of(call))
    assert reshaped is not None, "the factors of a result are its dimensions"
    return reader.as_meaning(reshaped, shape_of(call))


def _heads(reader: Reader, tensor: Arranged) -> tuple[str, Heads]:
    """Return a tensor (…, tokens, channels of a head) as a value's heads, copied if necessary."""
    n, _, height, width = reader.shape(tensor.value)
    size = tensor.shape[-1]
    batch = merged([factor for dim in tensor.dims[:-2] for factor in dim])
    images = _run(0, 1, n)
    heads = batch[len(images) :]
    count = heads[0].extent if heads else 1
    tokens = merged([Factor(2, 1, height), Factor(3, 1, width)])
    in_place = (
        batch == images + _run(CHANNELS, size, count)
        and tensor.dims[-2:] == (tokens, _run(CHANNELS, 1, size))
        and tensor.factor == 1.0
        and (count == 1 or size % LANES == 0)
        and tensor.start[CHANNELS] % LANES == 0
        and reader.graph.values[tensor.value].quantization is None
    )
    if in_place:
        return tensor.value, Heads(count, size, tensor.start[CHANNELS])
    flat = tensor.reshaped((int(np.prod(tensor.shape[:-2])), *tensor.shape[-2:]))
    assert flat is not None, "dimensions can always be merged"
    return reader.rearranged(flat, 2).value, Heads(1, size, 0)


def _run(axis: int, stride: int, count: int) -> Dimension:
    return merged([Factor(axis, stride, count)])


def layer_norm(reader: Reader, call: Any) -> Meaning | None:
    source = reader.arranged(call.args[0])
    gamma, beta = (reader.constant(argument) for argument in call.args[1:3])
    rank = len(shape_of(call))
    axes = [int(axis) % rank for axis in call.attrs.axes]
    if source is None or gamma is None or beta is None or len(axes) != 1:
        return None
    source = reader.whole(source, axes[0])
    shape = reader.graph.values[source.value].shape
    real = reader.real(source.value)
    name = reader.emit(ChannelNorm(float(call.attrs.epsilon)), (real,), shape)
    name = reader.emit(
        Identity(),
        (name,),
        shape,
        MultiplyConstant(gamma.reshape(-1)),
        AddConstant(beta.reshape(-1)),
    )
    return reader.as_meaning(replace(source, value=name), shape_of(call))


ATTENTION: Mapping[str, Handler] = MappingProxyType(
    {"relax.nn.softmax": softmax, "relax.nn.layer_norm": layer_norm}
)
