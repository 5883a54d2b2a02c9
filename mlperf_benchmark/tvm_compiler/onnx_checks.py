"""Refuses ONNX models that cannot be compiled, and says what to do."""

from dataclasses import dataclass
from typing import Any

import onnx

from mlperf_benchmark.core.errors import ModelError

COLOURS = 3
GREY = 1
IMAGE_RANK = 4
OTHER_FLOATS = ("FLOAT16", "BFLOAT16", "DOUBLE")
INTEGER_OPERATORS = (
    *("QLinear", "QGemm", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"),
    "DynamicQuantizeMatMul",
)


@dataclass(frozen=True)
class ImageInput:
    """The shape (C, H, W) of the images; with `channels_last` the model takes (N, H, W, C)."""

    shape: tuple[int, int, int]
    channels_last: bool


def image_input(value: Any) -> ImageInput:
    """Return the model's input. Raises ModelError for one that does not take RGB images."""
    tensor = value.type.tensor_type
    extents = [dimension.dim_value for dimension in tensor.shape.dim]
    element = _name(tensor.elem_type)
    takes = f'The model\'s input "{value.name}" is {element}'
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        way_out = "in float32" if element.upper() in OTHER_FLOATS else "without its preprocessing"
        raise ModelError(f"{takes}, and float32 is compiled: export the model {way_out}.")
    if len(extents) != IMAGE_RANK or 0 in extents[1:]:
        raise ModelError(
            f"{takes}, but no tensor (N, C, H, W) with fixed C, H and W: python -m "
            "onnxruntime.tools.make_dynamic_shape_fixed fixes them."
        )
    channels, height, width = extents[1:]
    if channels != COLOURS and width == COLOURS:
        return ImageInput((COLOURS, channels, height), channels_last=True)
    if channels != COLOURS:
        shape = "(" + ", ".join(str(extent or "N") for extent in extents) + ")"
        raise ModelError(f"{takes} {shape}, {_layout_fault(channels, width)}")
    return ImageInput((channels, height, width), channels_last=False)


def check_scores(value: Any) -> None:
    """Raise ModelError if the model's output is the best class in place of scores."""
    element = _name(value.type.tensor_type.elem_type)
    if element != "float32" and element.upper() not in OTHER_FLOATS:
        raise ModelError(
            f'The model\'s output "{value.name}" is {element}, such as the best class, and scores '
            "are compiled: export the model without its ArgMax, or name its scores with --outputs."
        )


def check_types(model: Any) -> None:
    """Raise ModelError if the model computes in other floating-point types than float32.

    Constants must be folded before: weights that are only stored in such types are allowed.
    """
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {
        value.name: _name(value.type.tensor_type.elem_type)
        for value in (*inferred.value_info, *inferred.output)
        # Numbers that shapes are computed from are harmless.
        if not value.type.tensor_type.HasField("shape") or len(value.type.tensor_type.shape.dim) > 1
    }
    for node in model.graph.node:
        for name in node.output:
            if types.get(name, "").upper() in OTHER_FLOATS:
                raise ModelError(
                    f'The model computes in {types[name]} ("{node.name or name}", {node.op_type}), '
                    "and float32 is compiled: export it in float32, and quantize for speed."
                )


def check_operators(model: Any) -> None:
    """Raise ModelError for INT8 in another form than QDQ."""
    for node in model.graph.node:
        if node.op_type.startswith(INTEGER_OPERATORS):
            raise ModelError(
                f"The model has the operator {node.op_type}, and INT8 is compiled from QDQ models: "
                "onnxruntime's quantize_static makes them with quant_format=QuantFormat.QDQ."
            )


def _layout_fault(channels: int, width: int) -> str:
    if GREY in (channels, width):
        return (
            "grey images, and the data sets have RGB: put the conversion to grey into the model, "
            "or give its first convolution three input channels."
        )
    return f"{channels} channels, and the data sets have {COLOURS}: RGB."


def _name(element_type: int) -> str:
    name: str = onnx.TensorProto.DataType.Name(element_type)
    return {"FLOAT": "float32"}.get(name, name.lower())
