"""The tiny classifier as an ONNX file."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
from onnx import TensorProto, helper, numpy_helper

from tests.tiny_models import WHITE, Tiny

TYPES = {
    ov.Type.f32: TensorProto.FLOAT,
    ov.Type.f16: TensorProto.FLOAT16,
    ov.Type.bf16: TensorProto.BFLOAT16,
    ov.Type.i8: TensorProto.INT8,
    ov.Type.u8: TensorProto.UINT8,
}


def save_onnx(tiny: Tiny, folder: Path, external: str | None = None) -> Path:
    """Write tiny.onnx; its weights go into the file `external` where that is given."""
    batch = "batch" if tiny.batch == -1 else tiny.batch
    sizes: dict[str, Any] = {"N": batch, "C": tiny.channels, "H": tiny.size, "W": tiny.size}
    shape = [sizes[axis] for axis in tiny.layout] if tiny.known_rank else None
    graph = _Graph()
    pixels = graph.add("Cast", "image", to=TensorProto.FLOAT)
    axes = [tiny.layout.index("H"), tiny.layout.index("W")]
    colour = graph.add("ReduceMean", pixels, axes=axes, keepdims=0)
    weights = graph.constant(np.ascontiguousarray(tiny.weights), TYPES[tiny.stored_as])
    if tiny.stored_as != ov.Type.f32:
        weights = graph.add("Cast", weights, to=TensorProto.FLOAT)
    scores = graph.add("MatMul", colour, weights)
    inputs = [helper.make_tensor_value_info("image", TYPES[tiny.element_type], shape)]
    if tiny.extra_input:
        inputs.append(helper.make_tensor_value_info("threshold", TensorProto.FLOAT, [1]))
        scores = graph.add("Add", scores, "threshold")
    if tiny.nan_on_white:
        white = graph.add("Cast", graph.is_white(pixels), to=TensorProto.FLOAT)
        zero = graph.add("Sub", graph.constant(np.float32(1)), white)
        scores = graph.add("Mul", scores, graph.add("Div", zero, zero))
    if tiny.fails_on_white:
        # Rows of 1007 for a white image, which no runtime can make of them.
        more = graph.add("Cast", graph.is_white(pixels), to=TensorProto.INT64)
        row = graph.add("Mul", more, graph.constant(np.array([7])))
        row = graph.add("Add", row, graph.constant(np.array([tiny.classes])))
        rows = graph.add("Concat", graph.constant(np.array([-1])), row, axis=0)
        scores = graph.add("Reshape", scores, rows)
        scores = graph.add("Reshape", scores, graph.constant(np.array([-1, tiny.classes])))
    rows_of = [batch, tiny.classes, *tiny.tail]
    if tiny.tail:
        scores = graph.add("Reshape", scores, graph.constant(np.array([0, *rows_of[1:]])))
    outputs = [graph.output(scores, "scores", rows_of)]
    for number, count in enumerate(tiny.extra_outputs):
        ones = graph.constant(np.ones((tiny.classes, count), np.float32))
        part = graph.add("MatMul", scores, ones)
        outputs.append(graph.output(part, f"extra{number}", [batch, count]))
    made = helper.make_graph(graph.nodes, "tiny", inputs, outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = folder / "tiny.onnx"
    onnx.save(
        model, path, save_as_external_data=external is not None, location=external, size_threshold=0
    )
    return path


class _Graph:
    """Nodes and constants under construction."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, values: Any, kind: int | None = None) -> str:
        """The name of `values`, stored as the element type `kind` where that is given."""
        name = f"c{len(self.constants)}"
        array = np.asarray(values)
        if kind in (None, TensorProto.FLOAT):
            tensor = numpy_helper.from_array(array, name)
        else:
            if kind == TensorProto.INT8:
                array = array.astype(np.int8)
            tensor = helper.make_tensor(name, kind, array.shape, array.ravel())
        self.constants.append(tensor)
        return name

    def is_white(self, pixels: str) -> str:
        brightest = self.add("ReduceMax", pixels, axes=[0, 1, 2, 3], keepdims=0)
        return self.add("Greater", brightest, self.constant(np.float32(WHITE)))

    def output(self, tensor: str, name: str, shape: list[Any]) -> Any:
        self.nodes.append(helper.make_node("Identity", [tensor], [name]))
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
