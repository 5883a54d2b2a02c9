"""Decides how each value of a graph is stored in memory, depending on who reads it."""

from dataclasses import dataclass, replace

import numpy as np

from mlperf_benchmark.tvm_compiler.graph import (
    AveragePool,
    Clip,
    Convolution,
    GlobalAveragePool,
    Graph,
    Identity,
    Image,
    MaxPool,
    Node,
    Value,
)
from mlperf_benchmark.tvm_compiler.storage import Halo, View


@dataclass(frozen=True)
class Placement:
    """`views` maps values to their views; `inputs` maps nodes' outputs to the view of their input.

    If the two differ, the node needs a copy of its input.
    """

    views: dict[str, View]
    inputs: dict[str, View]


def place(graph: Graph) -> Placement:
    """Give each value the largest halo of the readers that agree with the first on its contents."""
    readers = graph.readers()
    writers = {node.output: node for node in graph.nodes}
    views: dict[str, View] = {}
    for value in graph.values.values():
        if len(value.shape) not in (2, 4):
            continue
        writer = writers.get(value.name)
        view = _plain_view(value)
        if writer is not None and isinstance(writer.operator, Image):
            view = _image_view(view, readers[value.name])
        if writer is not None and _is_interleaved(writer, view, views):
            view = replace(view, interleaved=True)
        views[value.name] = _with_halo(view, writer, readers[value.name], graph.values)
    inputs = {}
    for node in graph.nodes:
        if node.inputs and node.inputs[0] in views:
            source = node.inputs[0]
            inputs[node.output] = _input_view(
                views[source], node, writers.get(source), graph.values
            )
    return Placement(views, inputs)


def _input_view(view: View, node: Node, writer: Node | None, values: dict[str, Value]) -> View:
    needed = _needed_halo(node, values)
    if needed == (0, 0, 0, 0):
        return view
    fill = _fill(node, writer, values)
    if view.fill == fill and all(a >= b for a, b in zip(view.halo, needed, strict=True)):
        return view
    return replace(view, halo=needed, fill=fill, interleaved=False)


def _plain_view(value: Value) -> View:
    n, c, h, w = value.shape if len(value.shape) == 4 else (*value.shape, 1, 1)
    return View(n, c, h, w, "uint8" if value.quantization else "float32")


def _image_view(view: View, readers: list[Node]) -> View:
    """Return the view of an image, which has few channels; only full convolutions read short
    blocks.
    """
    for node in readers:
        if not isinstance(node.operator, Convolution) or node.operator.groups > 1:
            return view
    if view.channels > 4:
        return view
    return replace(view, block=4 if view.dtype == "uint8" else view.channels)


def _is_interleaved(writer: Node, view: View, views: dict[str, View]) -> bool:
    if view.batch == 1 or (view.height, view.width) != (1, 1):
        return False
    if isinstance(writer.operator, GlobalAveragePool):
        return True
    if not isinstance(writer.operator, Convolution | Identity):
        return False
    return all(name in views and views[name].interleaved for name in writer.reads())


def _with_halo(
    view: View, writer: Node | None, readers: list[Node], values: dict[str, Value]
) -> View:
    if view.interleaved:
        return view
    halo: Halo = (0, 0, 0, 0)
    fill: float | None = None
    for reader in readers:
        needed = _needed_halo(reader, values)
        if needed == (0, 0, 0, 0):
            continue
        wanted = _fill(reader, writer, values)
        if fill is None or fill == wanted:
            fill = wanted
            top, left, bottom, right = (max(a, b) for a, b in zip(halo, needed, strict=True))
            halo = (top, left, bottom, right)
    return view if fill is None else replace(view, halo=halo, fill=fill)


def _needed_halo(node: Node, values: dict[str, Value]) -> Halo:
    """Return how far the windows of `node` reach beyond its input."""
    operator = node.operator
    if isinstance(operator, Convolution):
        kernel, dilation = operator.weights.data.shape[2:], operator.dilation
    elif isinstance(operator, MaxPool | AveragePool):
        kernel, dilation = operator.kernel, (1, 1)
    else:
        return (0, 0, 0, 0)
    inputs = _extents(values[node.inputs[0]])
    outputs = _extents(values[node.output])
    beyond = []
    for axis in range(2):
        reach = (outputs[axis] - 1) * operator.stride[axis] + (kernel[axis] - 1) * dilation[axis]
        beyond.append(max(0, reach + 1 - operator.padding[axis] - inputs[axis]))
    return (operator.padding[0], operator.padding[1], beyond[0], beyond[1])


def _extents(value: Value) -> tuple[int, ...]:
    return value.shape[2:] if len(value.shape) == 4 else (1, 1)


def _fill(node: Node, writer: Node | None, values: dict[str, Value]) -> float:
    """Return the value outside the input: zero for convolutions, the least number for maxima."""
    quantization = values[node.inputs[0]].quantization
    if isinstance(node.operator, MaxPool):
        last = writer.steps[-1] if writer is not None and writer.steps else None
        positive = isinstance(last, Clip) and last.low >= 0.0
        return 0.0 if quantization or positive else -np.inf
    return float(quantization.zero_point) if quantization else 0.0
