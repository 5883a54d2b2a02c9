"""The tiny classifier as an ONNX file."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.tiny_models import SIZE, Tiny


def save_onnx(tiny: Tiny, folder: Path, external: str | None = None) -> Path:
    """Write tiny.onnx, NCHW; its weights go into the file `external` where that is given."""
    batch = "batch" if tiny.batch == -1 else tiny.batch
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["image"], ["colour"], axes=[2, 3], keepdims=0),
            helper.make_node("MatMul", ["colour", "weights"], ["scores"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, tiny.classes])],
        [numpy_helper.from_array(np.ascontiguousarray(tiny.weights), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = folder / "tiny.onnx"
    onnx.save(
        model, path, save_as_external_data=external is not None, location=external, size_threshold=0
    )
    return path
