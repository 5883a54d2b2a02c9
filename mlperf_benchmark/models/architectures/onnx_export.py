"""From a torch module to an ONNX graph, which every model file is made from."""

import io
import warnings

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator
from torch import nn

from mlperf_benchmark.core.onnx_reading import keep_nodes

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
        if pad is None or pad.op_type != "Pad":
            continue
        before_after = _constant(model, pad.input[1]).reshape(2, 4)
        attribute = next(a for a in conv.attribute if a.name == "pads")
        pads = helper.get_attribute_value(attribute) + before_after[:, 2:].ravel()
        attribute.CopyFrom(helper.make_attribute("pads", [int(pad) for pad in pads]))
        conv.input[0] = pad.input[0]
    keep_nodes(graph, {output.name for output in graph.output})


def _constant(model: onnx.ModelProto, name: str) -> NDArray[np.int64]:
    """Value of an int64 tensor that does not depend on the model's input."""
    output = helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None)
    graph = helper.make_graph(model.graph.node, name, [], [output])
    keep_nodes(graph, {name})
    part = helper.make_model(graph, opset_imports=model.opset_import)
    [value] = ReferenceEvaluator(part).run(None, {})
    return np.asarray(value)
