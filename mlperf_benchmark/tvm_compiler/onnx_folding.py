"""Simplifies an ONNX graph in place as far as the import into Relax requires."""

from collections import Counter
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from mlperf_benchmark.core.onnx_reading import read_by

_KEPT = frozenset({"QuantizeLinear", "DequantizeLinear", "Constant"})


def fold_constants(model: Any) -> None:
    """Compute what depends on constants only, which exporters leave in the graph.

    The importer wants such numbers (padding widths, shapes) as constants. Quantizers stay:
    they are how the weights are known to be int8. So does the shape of the batch, which
    differs between compiled batch sizes.
    """
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = _evaluate(model, node, {})[0]
        known = all(name in constants or not name for name in read_by(node))
        if node.op_type in _KEPT or not known or not node.input:
            kept.append(node)
            continue
        values = {name: constants[name] for name in node.input if name}
        for name, array in zip(node.output, _evaluate(model, node, values), strict=True):
            constants[name] = np.asarray(array)
    used = {name for node in kept for name in read_by(node)} | {v.name for v in model.graph.output}
    present = {t.name for t in model.graph.initializer}
    made = {node.output[0] for node in kept}
    del model.graph.node[:]
    model.graph.node.extend(n for n in kept if n.op_type != "Constant" or n.output[0] in used)
    for name, array in constants.items():
        if name in used and name not in present and name not in made:
            model.graph.initializer.append(numpy_helper.from_array(array, name))


def drop_unused_constants(model: Any) -> None:
    """Remove the initializers that nothing reads, which runtimes would warn about."""
    graph = model.graph
    used = {name for node in graph.node for name in read_by(node)} | {v.name for v in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def with_fixed_shape(model: Any, name: str, shape: list[int]) -> Any:
    """Return the model for inputs of this shape only, in which all shapes become constant.

    It is a copy, unless the model reads no shape.
    """
    if not any(node.op_type == "Shape" for node in model.graph.node):
        return model
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    [image] = [value for value in fixed.graph.input if value.name == name]
    for dimension, extent in zip(image.type.tensor_type.shape.dim, shape, strict=True):
        dimension.dim_value = extent
    while _fold_shapes(fixed):
        fold_constants(fixed)
    return fixed


def _fold_shapes(model: Any) -> bool:
    """Turn known shapes into constants; return whether there were any."""
    del model.graph.value_info[:]
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info)
        if value.type.tensor_type.HasField("shape")
    }
    changed = False
    for node in model.graph.node:
        shape = known.get(node.input[0]) if node.op_type == "Shape" else None
        if shape is None or 0 in shape:
            continue
        limits = {a.name: a.i for a in node.attribute}
        part = np.array(shape[limits.get("start", 0) : limits.get("end", len(shape))], np.int64)
        value = numpy_helper.from_array(part)
        node.CopyFrom(onnx.helper.make_node("Constant", [], list(node.output), value=value))
        changed = True
    return changed


def _evaluate(model: Any, node: Any, values: dict[str, Any]) -> list[Any]:
    graph = onnx.helper.make_graph(
        [node],
        "constant",
        [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in values],
        [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in node.output],
    )
    small = onnx.helper.make_model(graph, opset_imports=model.opset_import)
    return list(ReferenceEvaluator(small).run(None, values))


def merge_padding(model: Any) -> None:
    """Merge zero padding of H and W into the convolution that is its only reader.

    The importer would turn it into a separate function, which hides the widths.
    """
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    reads = Counter(name for node in model.graph.node for name in read_by(node))
    reads.update(value.name for value in model.graph.output)
    pads = {node.output[0]: node for node in model.graph.node if node.op_type == "Pad"}
    merged = []
    for node in model.graph.node:
        pad = pads.get(node.input[0]) if node.op_type == "Conv" else None
        if pad is None or reads[pad.output[0]] != 1:
            continue
        widths = _zero_padding(pad, constants)
        if widths is not None and _add_padding(node, widths):
            node.input[0] = pad.input[0]
            merged.append(pad)
    for pad in merged:
        model.graph.node.remove(pad)


def _zero_padding(pad: Any, constants: dict[str, NDArray[Any]]) -> list[int] | None:
    """Return [top, left, bottom, right], or None for any other padding."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in pad.attribute}
    if attributes.get("mode", b"constant") != b"constant" or len(pad.input) not in (2, 3):
        return None
    widths = constants.get(pad.input[1])
    value = constants.get(pad.input[2]) if len(pad.input) == 3 and pad.input[2] else None
    if widths is None or widths.size != 8 or (value is not None and np.any(value)):
        return None
    low, high = widths.reshape(2, 4).tolist()
    if any(low[:2] + high[:2]) or min(low + high) < 0:
        return None
    return [low[2], low[3], high[2], high[3]]


def _add_padding(conv: Any, widths: list[int]) -> bool:
    """Add `widths` to the padding of `conv`, if that is given as numbers."""
    for attribute in conv.attribute:
        if attribute.name == "auto_pad" and attribute.s not in (b"", b"NOTSET", b"VALID"):
            return False
    pads = next((a for a in conv.attribute if a.name == "pads"), None)
    if pads is None:
        conv.attribute.append(onnx.helper.make_attribute("pads", widths))
    else:
        pads.ints[:] = [a + b for a, b in zip(pads.ints, widths, strict=True)]
    return True
