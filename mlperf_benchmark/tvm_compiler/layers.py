"""Describes each kernel for the reports of layer times."""

from collections.abc import Mapping
from types import MappingProxyType

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
    AveragePool,
    Convolution,
    Fallback,
    GlobalAveragePool,
    Identity,
    Image,
    MaxPool,
    Node,
    Value,
)
from mlperf_benchmark.tvm_compiler.kernels.specs import WinogradTile
from mlperf_benchmark.tvm_compiler.operators.join import Join
from mlperf_benchmark.tvm_compiler.operators.rearrange import Rearrange
from mlperf_benchmark.tvm_compiler.winograd_weights import TAPS, points
from mlperf_benchmark.tvm_compiler.work import bytes_of, multiply_accumulates

KINDS: Mapping[type, str] = MappingProxyType(
    {
        AveragePool: POOLING,
        GlobalAveragePool: POOLING,
        MaxPool: POOLING,
        Identity: ELEMENTWISE,
        Image: ELEMENTWISE,
        Join: ELEMENTWISE,
        Rearrange: CONVERSION,
    }
)
"""Of operators that are no convolutions; OTHER where nothing is said."""


def conversion(symbol: str) -> Layer:
    """Describe the function `symbol`, which changes a layout."""
    return Layer(symbol, CONVERSION, (), symbol, "f32")


def part_of(symbol: str, node: Node) -> Layer:
    """Describe a function that computes a part of `node` in TVM; the last part describes
    the work.
    """
    return Layer(symbol, OTHER, node.origins, _kernel(symbol, node), "f32")


def layer_of(symbol: str, node: Node, values: dict[str, Value], tile: Choice | None) -> Layer:
    """Describe the kernel `symbol`, which computes `node`; `tile` is that of a convolution."""
    macs = multiply_accumulates(node, values)
    weights, executed = _weight_bytes(node), macs
    if isinstance(tile, WinogradTile):
        weights = weights * points(tile.outputs) // TAPS**2
        executed = macs * points(tile.outputs) // (TAPS * tile.outputs) ** 2
    read = {name: values[name] for name in node.reads()}
    source, sink = values[node.inputs[0]] if node.inputs else None, values[node.output]
    return Layer(
        name=symbol,
        kind=_kind(node),
        origins=node.origins,
        kernel=_kernel(symbol, node),
        precision=_precision(node, source),
        macs=macs,
        executed_macs=executed,
        input_bytes=sum(bytes_of(value, node) for value in read.values()),
        weight_bytes=weights,
        output_bytes=bytes_of(sink, node),
        input_channels=_channels(source),
        output_channels=_channels(sink),
    )


def _kernel(symbol: str, node: Node) -> str:
    operator = node.operator
    return f"default schedule of {operator.name}" if isinstance(operator, Fallback) else symbol


def _kind(node: Node) -> str:
    operator = node.operator
    if isinstance(operator, Convolution):
        if operator.depthwise:
            return DEPTHWISE
        return LINEAR if operator.linear else CONVOLUTION
    return KINDS.get(type(operator), OTHER)


def _precision(node: Node, source: Value | None) -> str:
    if isinstance(node.operator, Convolution):
        return "f32" if node.operator.weights.scales is None else "int8"
    is_stored = source is not None and source.quantization is not None
    return "int8" if is_stored and not isinstance(node.operator, Fallback) else "f32"


def _weight_bytes(node: Node) -> int:
    return node.operator.weights.data.nbytes if isinstance(node.operator, Convolution) else 0


def _channels(value: Value | None) -> int:
    return value.shape[1] if value is not None and len(value.shape) > 1 else 0
