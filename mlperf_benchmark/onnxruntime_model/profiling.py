"""Reads the trace that ONNX Runtime writes of a session, for the time of each node."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx

from mlperf_benchmark.core.layer_profile import (
    CONVERSION,
    CONVOLUTION,
    DEPTHWISE,
    ELEMENTWISE,
    LINEAR,
    OTHER,
    POOLING,
    Layer,
    Profile,
)
from mlperf_benchmark.onnxruntime_model.executed import INTEGER_LAYERS

MICROSECOND = 1e-6
ENDING = "_kernel_time"
RUN = "SequentialExecutor::Execute"
BYTES = MappingProxyType({"float": 4, "float16": 2, "double": 8, "uint8": 1, "int8": 1, "int32": 4})
KINDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("Conv", "FusedConv", "NhwcFusedConv", "QLinearConv"), CONVOLUTION),
        **dict.fromkeys(("Gemm", "FusedGemm", "MatMul", "FusedMatMul", "QGemm"), LINEAR),
        **dict.fromkeys(("QLinearMatMul", "MatMulIntegerToFloat"), LINEAR),
        **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean"), POOLING),
        **dict.fromkeys(("QLinearGlobalAveragePool", "QLinearAveragePool"), POOLING),
        **dict.fromkeys(("Add", "Mul", "Sub", "Div", "Relu", "Clip", "QLinearAdd"), ELEMENTWISE),
        **dict.fromkeys(("ReorderInput", "ReorderOutput", "Transpose", "Cast"), CONVERSION),
        **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), CONVERSION),
    }
)
WEIGHTS: Mapping[str, int] = MappingProxyType(
    {**dict.fromkeys(("Conv", "FusedConv", "NhwcFusedConv", "Gemm", "FusedGemm", "MatMul"), 1)}
    | INTEGER_LAYERS
)
"""Which of an operator's inputs is its weights."""

CHANNELS_LAST = frozenset({"NhwcFusedConv", "QLinearConv"})
"""Convolutions that may be of NHWC."""

COMPUTING = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
SILENT = frozenset({"QuantizeLinear", "DequantizeLinear"})
MADE = re.compile(r"^(?:fused )?(.*?)(?:_nchwc|_nhwc|_quant|_token_\d+|/DuplicateQDQ.*)?$")
"""How ONNX Runtime calls what it makes of a node, or of the tensor that a node gives."""


class Origins:
    """Finds the operators of `graph`, the model's own, that an executed node computes. What is put
    into the graph later is no operator of the model.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._nodes = {node.name: node for node in graph.node if node.name}
        self._producers = {name: node for node in graph.node for name in node.output}
        self._shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}

    def weights(self, operators: Sequence[str]) -> tuple[int, ...]:
        """The shape of the first operator's weights in the model. Those that are executed may be
        padded.
        """
        node = self._nodes.get(operators[0]) if operators else None
        if node is None or node.op_type not in COMPUTING:
            return ()
        name = node.input[1]
        while name in self._producers and self._producers[name].op_type in SILENT:
            name = self._producers[name].input[0]
        return self._shapes.get(name, ())

    def of(self, name: str, computes: bool) -> tuple[str, ...]:
        """The operators, the one with weights first where the node `computes` one; none of a node
        that ONNX Runtime put in.
        """
        short = MADE.sub(r"\1", name)
        node = self._nodes.get(short) or self._producers.get(short)
        found: list[str] = []
        while node is not None:
            if node.op_type not in SILENT:
                found.append(node.name or node.output[0])
            if node.op_type in COMPUTING or not computes:
                break
            before = [self._producers[one] for one in node.input if one in self._producers]
            node = next((one for one in before if one.op_type in COMPUTING), None) or next(
                iter(before), None
            )
        return tuple(reversed(found))


def read_profile(trace: Path, warm_up: int, origins: Origins) -> Profile:
    """The times of the nodes in the inferences of `trace`, less the first `warm_up`."""
    runs = list(_runs(json.loads(trace.read_text(encoding="utf-8"))))[warm_up:]
    layers = tuple(_layer(event, origins) for event in runs[0])
    seconds = [[event["dur"] * MICROSECOND for event in run] for run in runs]
    return Profile(layers, np.array(seconds))


def _runs(events: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The nodes of each inference, whose own event ends it."""
    nodes: list[dict[str, Any]] = []
    for event in sorted(events, key=lambda one: one["ts"] + one["dur"]):
        if event["cat"] == "Node" and event["name"].endswith(ENDING):
            nodes.append(event)
        elif event["name"] == RUN:
            yield nodes
            nodes = []


def _layer(event: dict[str, Any], origins: Origins) -> Layer:
    told, name = event["args"], event["name"].removesuffix(ENDING)
    kind = told["op_name"]
    inputs, outputs = _tensors(told["input_type_shape"]), _tensors(told["output_type_shape"])
    place = WEIGHTS.get(kind)
    group = KINDS.get(kind, OTHER)
    operators = () if group == CONVERSION else origins.of(name, place is not None)
    own = origins.weights(operators) if place is not None else ()
    precision = "int8" if kind in INTEGER_LAYERS or kind.startswith("QLinear") else "f32"
    weights = inputs[place] if place is not None and place < len(inputs) else None
    if own and (weights is None or len(weights[1]) != len(own)):
        # What is packed before the first inference is missing among the inputs.
        weights, place = ("int8" if precision == "int8" else "float", own), None
    sources = [one for number, one in enumerate(inputs) if number != place]
    shape = own or (weights[1] if weights else ())
    source, sink = (sources[0][1] if sources else ()), (outputs[0][1] if outputs else ())
    last = group == LINEAR or (kind in CHANNELS_LAST and shape[:1] == sink[-1:])
    before, after = _channels(source, last), _channels(sink, last)
    if group == CONVOLUTION and shape[1:2] == (1,) and before > 1:
        group = DEPTHWISE
    return Layer(
        name=name,
        kind=group,
        origins=operators,
        kernel=kind,
        precision=precision,
        macs=_macs(group, shape, source, math.prod(sink[1:-1] if last else sink[2:]), sink),
        input_bytes=sum(map(_bytes, sources)),
        weight_bytes=_bytes(weights) if weights else 0,
        output_bytes=sum(map(_bytes, outputs)),
        input_channels=before,
        output_channels=own[0] if own and group != LINEAR else after,
    )


def _channels(shape: tuple[int, ...], last: bool) -> int:
    return shape[-1 if last else 1] if len(shape) > 1 else 0


def _tensors(told: list[dict[str, list[int]]]) -> list[tuple[str, tuple[int, ...]]]:
    return [(kind, tuple(shape)) for one in told for kind, shape in one.items()]


def _bytes(tensor: tuple[str, tuple[int, ...]]) -> int:
    return BYTES.get(tensor[0], 4) * math.prod(tensor[1])


def _macs(
    kind: str,
    weights: tuple[int, ...],
    source: tuple[int, ...],
    pixels: int,
    sink: tuple[int, ...],
) -> int:
    if kind in (CONVOLUTION, DEPTHWISE) and weights:
        # Of an output in blocks of channels only the pixels are sure.
        return sink[0] * pixels * math.prod(weights)
    if kind == LINEAR and weights and source:
        return math.prod(sink) * source[-1]
    return 0
