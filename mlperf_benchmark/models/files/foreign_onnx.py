"""Reads image classifiers from ONNX files made elsewhere and prepares them for quantizers."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.core.onnx_reading import (
    declared_shape,
    keep_nodes,
    read_by,
    read_onnx,
    true_inputs,
)
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.models.files.ports import (
    Port,
    check_image_size,
    choose_input,
    choose_output,
    image_layout,
)
from mlperf_benchmark.tvm_compiler.onnx_folding import drop_unused_constants, fold_constants

OPSET = 13
"""The first version whose quantizers support one scale per channel."""

WEIGHTS_APART = 4
"""The first version of the format in which weights need not be inputs."""

QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantize", "QLinear", "QGemm")
INTEGER = ("ConvInteger", "MatMulInteger")
OTHER_FLOATS = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)


@dataclass(frozen=True)
class ForeignModel:
    """A graph with one input, the image, and one output.

    `layout` is the input's, NCHW or NHWC, and `element` its type. `batch` is the number of images
    that the file fixes, None if any number is allowed. `size` is the images' (height, width).
    """

    model: onnx.ModelProto
    layout: str
    element: int
    batch: int | None
    size: tuple[int, int]

    @property
    def takes_pixels(self) -> bool:
        """Whether the graph takes bytes and therefore normalises them itself."""
        return self.element == TensorProto.UINT8


def read_foreign(
    path: Path,
    image: ImageFormat | None,
    *,
    inputs: tuple[str, ...] = (),
    outputs: tuple[str, ...] = (),
    layout: str | None = None,
) -> ForeignModel:
    """Read the file and its external weights.

    `image` is the format of the images, None if it is not known; it sets a height and width that
    the file leaves open. `inputs` and `outputs` select a port, and `layout` is that of the input if
    the file does not tell it. Raises ModelError.
    """
    model = read_onnx(path)
    graph = model.graph
    values = true_inputs(graph)
    port = choose_input([Port((one.name,), declared_shape(one)) for one in values], inputs)
    layout = image_layout(port, layout)
    if image is not None:
        check_image_size(port, layout, image)
    found = [Port((one.name,), declared_shape(one)) for one in graph.output]
    _keep_output(graph, choose_output(found, outputs).names[0])
    size = _fix_size(values[0], port, layout, image)
    del graph.input[:]
    graph.input.extend(values[:1])
    model.ir_version = max(model.ir_version, WEIGHTS_APART)
    return ForeignModel(
        model=model,
        layout=layout,
        element=values[0].type.tensor_type.elem_type,
        batch=port.shape[0] if port.shape else None,
        size=size,
    )


def quantizable(foreign: ForeignModel) -> onnx.ModelProto:
    """Return a copy that quantizers accept, with named layers and batch norm folded into them.

    Raises ModelError for a graph that is already quantized, computes in other types than float32,
    or takes several images at a time.
    """
    model = onnx.ModelProto()
    model.CopyFrom(foreign.model)
    _refuse(model, foreign.batch)
    opset = next((one.version for one in model.opset_import if one.domain == ""), OPSET)
    if opset < OPSET:
        try:
            model = version_converter.convert_version(model, OPSET)
        except Exception as error:
            raise ModelError(
                f"The model has opset {opset}, INT8 needs {OPSET} or newer, and onnx cannot "
                f"convert it: {first_line(error)}. Export it anew."
            ) from error
    try:
        fold_constants(model)
    except Exception as error:
        raise ModelError(f"The model cannot be read: {first_line(error)}") from error
    _name_nodes(model.graph)
    _store_constants(model.graph)
    _fold_batch_norm(model.graph)
    drop_unused_constants(model)
    # The shapes of intermediate values, which the changes above may have invalidated.
    del model.graph.value_info[:]
    return model


def _keep_output(graph: Any, name: str) -> None:
    """Remove the other outputs and the nodes that only they depend on."""
    if len(graph.output) == 1:
        return
    keep_nodes(graph, {name})
    output = next(one for one in graph.output if one.name == name)
    del graph.output[:]
    graph.output.append(output)


def _fix_size(value: Any, port: Port, layout: str, image: ImageFormat | None) -> tuple[int, int]:
    """Fix the images' height and width in the input `value` and return them."""
    sizes: dict[str, int | None] = dict.fromkeys(layout)
    if port.shape is not None:
        sizes = dict(zip(layout, port.shape, strict=True))
    if image is not None:
        sizes |= {"H": image.height, "W": image.width}
    height, width = sizes["H"], sizes["W"]
    if height is None or width is None:
        raise ModelError(f"Input {port} leaves the size of the images open: give it with --crop.")
    shape = [sizes["N"] or "batch", *({**sizes, "C": 3}[axis] for axis in layout[1:])]
    element = value.type.tensor_type.elem_type
    value.CopyFrom(helper.make_tensor_value_info(value.name, element, shape))
    return height, width


def quantized_by(model: onnx.ModelProto) -> str | None:
    """Return the first operator that quantizes or computes with integers, or None."""
    operators = (node.op_type for node in model.graph.node)
    return next((one for one in operators if one.startswith(QUANTIZED) or one in INTEGER), None)


def _refuse(model: onnx.ModelProto, batch: int | None) -> None:
    if operator := quantized_by(model):
        raise ModelError(
            f"The model is quantized already (it has the operator {operator}): leave out "
            "--precision int8, or give the model that it was made from."
        )
    if any(tensor.data_type in OTHER_FLOATS for tensor in model.graph.initializer):
        raise ModelError(
            "INT8 is made from float32, and the model has weights of another type: export it in "
            "float32."
        )
    if batch not in (None, 1):
        raise ModelError(
            f"The model takes {batch} images at a time, and INT8 is calibrated with one: export it "
            "with a batch of 1, or an open one."
        )


def _name_nodes(graph: Any) -> None:
    """Give every node a unique name, by which its layer can be found."""
    taken = Counter(node.name for node in graph.node)
    for place, node in enumerate(graph.node):
        if not node.name or taken[node.name] > 1:
            taken[node.name] -= 1
            name = f"{node.name or node.op_type}_{place}"
            while taken[name]:
                name += "_"
            taken[name] += 1
            node.name = name


def _store_constants(graph: Any) -> None:
    """Turn constant nodes of the graph into initializers."""
    for node in [one for one in graph.node if one.op_type == "Constant"]:
        if node.attribute[0].name == "value":
            array = numpy_helper.to_array(node.attribute[0].t)
            graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
            graph.node.remove(node)


def _fold_batch_norm(graph: Any) -> None:
    """Fold batch norm into the preceding convolution, because INT8 ranges apply to the result of
    both.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {node.output[0]: node for node in graph.node if node.op_type == "Conv"}
    readers = Counter(name for node in graph.node for name in read_by(node))
    readers.update(value.name for value in graph.output)
    folded = []
    for norm in graph.node:
        conv = makers.get(norm.input[0]) if norm.op_type == "BatchNormalization" else None
        if conv is None or readers[norm.input[0]] > 1:
            continue
        if any(name not in constants for name in (*conv.input[1:], *norm.input[1:5])):
            continue
        weight, *bias = (numpy_helper.to_array(constants[name]) for name in conv.input[1:])
        scale, offset, mean, variance = (
            numpy_helper.to_array(constants[name]) for name in norm.input[1:5]
        )
        attributes = {one.name: helper.get_attribute_value(one) for one in norm.attribute}
        factor = scale / np.sqrt(variance + attributes.get("epsilon", 1e-5))
        new = {
            f"{conv.name}/weight": weight * factor.reshape(-1, *[1] * (weight.ndim - 1)),
            f"{conv.name}/bias": ((bias[0] if bias else 0) - mean) * factor + offset,
        }
        graph.initializer.extend(
            numpy_helper.from_array(array.astype(np.float32), name) for name, array in new.items()
        )
        conv.input[:] = [conv.input[0], *new]
        conv.output[0] = norm.output[0]
        folded.append(norm)
    for norm in folded:
        graph.node.remove(norm)
