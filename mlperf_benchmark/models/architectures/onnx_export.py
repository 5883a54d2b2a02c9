"""From a torch module to an ONNX graph, which every model file is made from."""

import io
import warnings

import onnx
import torch
from torch import nn

from mlperf_benchmark.tvm_compiler.onnx_folding import drop_unused_constants, fold_constants
from mlperf_benchmark.tvm_compiler.onnx_padding import merge_padding

INPUT = "input"
OUTPUT = "output"
OPSET = 13


def export_onnx(module: nn.Module, input_size: int) -> onnx.ModelProto:
    """Export `module` with batch norm and zero padding folded into the convolutions.

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
    # Torch convolutions cannot pad asymmetrically, ONNX ones can; runtimes fuse it all the better.
    fold_constants(model)
    merge_padding(model)
    drop_unused_constants(model)
    onnx.checker.check_model(model, full_check=True)
    return model
