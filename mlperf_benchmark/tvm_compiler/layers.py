"""What is to be known of each kernel when its time is told."""

import math

from mlperf_benchmark.core.layer_profile import (
    CONVERSION,
    CONVOLUTION,
    DEPTHWISE,
    ELEMENTWISE,
    LINEAR,
    OTHER,
    POOLING,
    Layer,
)
from mlperf_benchmark.tvm_compiler.choosing import Choice
from mlperf_benchmark.tvm_compiler.graph import (
    FLOAT_BYTES,
    Convolution,
    Fallback,
    GlobalAveragePool,
    Identity,
    Image,
    MaxPool,
    Node,
    Value,
    multiply_accumulates,
)
from mlperf_benchmark.tvm_compiler.kernels.winograd import WinogradTile
from mlperf_benchmark.tvm_compiler.module_writer import COPY, PACK, RESHAPE, UNPACK

TAPS = 3
"""Winograd's method is for 3x3 convolutions."""


def layer_of(
    symbol: str, node: Node | None, values: dict[str, Value], tile: Choice | None
) -> Layer:
    """The kernel `symbol` that computes `node`, or changes a layout for it; `tile` is that of a
    convolution.
    """
    if node is None or symbol.startswith((COPY, PACK, UNPACK, RESHAPE)):
        return Layer(symbol, CONVERSION, (), symbol, "f32")
    is_fallback = isinstance(node.operator, Fallback)
    macs = multiply_accumulates(node, values)
    weights, executed = _weight_bytes(node), macs
    if isinstance(tile, WinogradTile):
        points = (tile.outputs + TAPS - 1) ** 2
        weights = weights * points // TAPS**2
        executed = macs * points // (TAPS * tile.outputs) ** 2
    read = {name: values[name] for name in node.reads()}
    source, sink = values[node.inputs[0]] if node.inputs else None, values[node.output]
    return Layer(
        name=symbol,
        kind=_kind(node, values),
        origins=node.origins,
        kernel=f"default schedule of {symbol}" if is_fallback else symbol,
        precision=_precision(node, source),
        macs=macs,
        executed_macs=executed,
        input_bytes=sum(_bytes(value, is_fallback) for value in read.values()),
        weight_bytes=weights,
        output_bytes=_bytes(sink, is_fallback),
        input_channels=_channels(source),
        output_channels=_channels(sink),
    )


def _kind(node: Node, values: dict[str, Value]) -> str:
    operator = node.operator
    if isinstance(operator, Convolution):
        if operator.groups > 1:
            return DEPTHWISE
        return LINEAR if len(values[node.output].shape) == 2 else CONVOLUTION
    if isinstance(operator, MaxPool | GlobalAveragePool):
        return POOLING
    return ELEMENTWISE if isinstance(operator, Identity | Image) else OTHER


def _precision(node: Node, source: Value | None) -> str:
    if isinstance(node.operator, Convolution):
        return "f32" if node.operator.weights.scales is None else "int8"
    is_stored = source is not None and source.quantization is not None
    return "int8" if is_stored and not isinstance(node.operator, Fallback) else "f32"


def _weight_bytes(node: Node) -> int:
    return node.operator.weights.data.nbytes if isinstance(node.operator, Convolution) else 0


def _bytes(value: Value, is_float: bool) -> int:
    """Of the tensor; what is left to TVM takes and gives float32."""
    element = FLOAT_BYTES if value.quantization is None or is_float else 1
    return math.prod(value.shape) * element


def _channels(value: Value | None) -> int:
    return value.shape[1] if value is not None and len(value.shape) > 1 else 0
