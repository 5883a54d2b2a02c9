"""Makes the padding of an ONNX graph explicit numbers of convolutions and pooling, in place."""

from collections import Counter
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from mlperf_benchmark.core.onnx_reading import read_by

_PADDED = frozenset({"AveragePool", "Conv", "MaxPool"})


def number_padding(model: Any) -> None:
    """Replace `auto_pad`, as exporters from TensorFlow write it, by the numbers that it means.

    The importer would pad in a function of its own, or forget numbers that stand beside it. Where
    the size of what is padded is not known, `auto_pad` stays.
    """
    automatic = [node for node in model.graph.node if _automatic(node) is not None]
    if not automatic:
        return
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info)
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    for node in automatic:
        if _automatic(node) in (b"", b"NOTSET"):
            _without(node, "auto_pad")
        elif _automatic(node) == b"VALID":
            _without(node, "auto_pad", "pads")
        else:
            _number(node, shapes)


def _automatic(node: Any) -> bytes | None:
    if node.op_type not in _PADDED:
        return None
    return next((a.s for a in node.attribute if a.name == "auto_pad"), None)


def _number(node: Any, shapes: dict[str, list[int]]) -> None:
    """Pad so that the output has an element for each `stride` of the input, as SAME means."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    sizes = shapes.get(node.input[0], [])[2:]
    kernel = attributes.get("kernel_shape") or (
        shapes.get(node.input[1], [])[2:] if node.op_type == "Conv" else []
    )
    if not sizes or 0 in sizes or len(kernel) != len(sizes):
        return
    ones = [1] * len(sizes)
    windows = zip(
        sizes,
        kernel,
        attributes.get("strides") or ones,
        attributes.get("dilations") or ones,
        strict=True,
    )
    totals = [_total(*window) for window in windows]
    fewer, more = [total // 2 for total in totals], [total - total // 2 for total in totals]
    upper = attributes["auto_pad"] == b"SAME_UPPER"
    pads = [*fewer, *more] if upper else [*more, *fewer]
    _without(node, "auto_pad", "pads", "ceil_mode")
    node.attribute.append(onnx.helper.make_attribute("pads", pads))


def _total(size: int, kernel: int, stride: int, dilation: int) -> int:
    reach = (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1
    return max(0, reach - size)


def _without(node: Any, *names: str) -> None:
    kept = [a for a in node.attribute if a.name not in names]
    del node.attribute[:]
    node.attribute.extend(kept)


def merge_padding(model: Any) -> None:
    """Merge zero padding of H and W into the convolution that is its only reader.

    The importer would turn it into a separate function, which hides the widths.
    """
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            tensors = (numpy_helper.to_array(a.t) for a in node.attribute if a.name == "value")
            constants.update((node.output[0], array) for array in tensors)
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
    if attributes.get("mode", b"constant") != b"constant" or len(pad.input) > 3:
        return None
    # Before opset 11, both are attributes.
    widths = constants.get(pad.input[1]) if len(pad.input) > 1 else np.array(attributes["pads"])
    value = attributes.get("value")
    if len(pad.input) == 3 and pad.input[2]:
        value = constants.get(pad.input[2], np.nan)
    if widths is None or widths.size != 8 or (value is not None and np.any(value)):
        return None
    low, high = widths.reshape(2, 4).tolist()
    if any(low[:2] + high[:2]) or min(low + high) < 0:
        return None
    return [low[2], low[3], high[2], high[3]]


def _add_padding(conv: Any, widths: list[int]) -> bool:
    """Add `widths` to the padding of `conv`, if that is given as numbers."""
    if _automatic(conv) is not None:
        return False
    pads = next((a for a in conv.attribute if a.name == "pads"), None)
    if pads is None:
        conv.attribute.append(onnx.helper.make_attribute("pads", widths))
    else:
        pads.ints[:] = [a + b for a, b in zip(pads.ints, widths, strict=True)]
    return True
