"""From a torch module to an ONNX graph, which every model file is made from."""

import io
import warnings
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator
from torch import nn

INPUT = "input"
OUTPUT = "output"
OPSET = 13


def export_onnx(module: nn.Module, input_size: int) -> onnx.ModelProto:
    """Export `module` with batch norm folded into the convolutions.

    Input "input": normalised float32 RGB (batch, 3, input_size, input_size); output "output":
    logits (batch, classes). The batch size is dynamic.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter built on torch.export needs onnxscript and leaves batch norm unfolded.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (torch.zeros(1, 3, input_size, input_size),),
            buffer,  # type: ignore[arg-type]  # takes a file object where dynamo=False
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
        )
    model = onnx.load_from_string(buffer.getvalue())
    _fold_padding(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def _fold_padding(model: onnx.ModelProto) -> None:
    """Move zero padding of height and width into the convolution that follows.

    Torch convolutions cannot pad asymmetrically, ONNX ones can; runtimes fuse it all the better.
    """
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    for conv in [node for node in graph.node if node.op_type == "Conv"]:
        pad = producers.get(conv.input[0])
        attribute = next((one for one in conv.attribute if one.name == "pads"), None)
        if pad is None or pad.op_type != "Pad" or attribute is None:
            continue
        zeros = _zeros_around(model, pad)
        if zeros is None:
            continue
        pads = helper.get_attribute_value(attribute) + zeros
        attribute.CopyFrom(helper.make_attribute("pads", [int(pad) for pad in pads]))
        conv.input[0] = pad.input[0]
    _keep_nodes(graph, {output.name for output in graph.output})


def _zeros_around(model: onnx.ModelProto, pad: onnx.NodeProto) -> NDArray[np.int64] | None:
    """Return how many zeros `pad` puts before each spatial axis, then behind each.

    None if it puts something else there, pads other axes, crops, or decides by its input.
    """
    modes = [helper.get_attribute_value(one) for one in pad.attribute if one.name == "mode"]
    if modes not in ([], [b"constant"]):
        return None
    amounts, *values = (_constant(model, name) for name in pad.input[1:3] if name)
    if amounts is None or any(value is None or value.any() for value in values):
        return None
    before, behind = amounts.reshape(2, -1)
    if before[:2].any() or behind[:2].any() or amounts.min() < 0:
        return None
    return np.concatenate((before[2:], behind[2:]))


def _constant(model: onnx.ModelProto, name: str) -> NDArray[Any] | None:
    """Return the value of a tensor, or None if it depends on the model's input."""
    graph = helper.make_graph(model.graph.node, name, [], [onnx.ValueInfoProto(name=name)])
    wanted = {name}
    _keep_nodes(graph, wanted)
    if any(value.name in wanted for value in model.graph.input):
        return None
    graph.initializer.extend(one for one in model.graph.initializer if one.name in wanted)
    part = helper.make_model(graph, opset_imports=model.opset_import)
    [value] = ReferenceEvaluator(part).run(None, {})
    return np.asarray(value)


def _keep_nodes(graph: onnx.GraphProto, wanted: set[str]) -> None:
    """Remove the nodes that the tensors `wanted` do not depend on."""
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
