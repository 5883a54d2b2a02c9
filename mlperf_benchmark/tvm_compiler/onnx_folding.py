"""Simplifies an ONNX graph in place as far as the import into Relax requires."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
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
    used = _read(model.graph, kept)
    present = {t.name for t in model.graph.initializer}
    made = {node.output[0] for node in kept}
    _keep_nodes(model.graph, kept, used)
    for name, array in constants.items():
        if name in used and name not in present and name not in made:
            model.graph.initializer.append(numpy_helper.from_array(array, name))


def drop_unused_constants(model: Any) -> None:
    """Remove initializers and constants that nothing reads, which runtimes would warn about."""
    graph = model.graph
    used = _read(graph, graph.node)
    tensors = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(tensors)
    _keep_nodes(graph, list(graph.node), used)


def _read(graph: Any, nodes: Iterable[Any]) -> set[str]:
    """The names of what `nodes` read and the graph answers."""
    return {name for node in nodes for name in read_by(node)} | {v.name for v in graph.output}


def _keep_nodes(graph: Any, nodes: Sequence[Any], used: set[str]) -> None:
    """Make `nodes` the graph's, but for constants of which nothing is `used`."""
    kept = [one for one in nodes if one.op_type != "Constant" or one.output[0] in used]
    del graph.node[:]
    graph.node.extend(kept)


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
