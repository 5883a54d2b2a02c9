"""The two files of an OpenVINO model: the graph (.xml) and the weights (.bin) that it refers to."""

import re
from pathlib import Path

from mlperf_benchmark.core.placeholders import placeholder_in

_DATA = re.compile(rb"<data [^>]*>")
_OFFSET = re.compile(rb'\soffset="(\d+)"')
_SIZE = re.compile(rb'\ssize="(\d+)"')


def is_ir(model: Path) -> bool:
    """Whether `model` is such a graph, judged by its suffix in upper or lower case."""
    return model.suffix.lower() == ".xml"


def weights_of(graph: Path) -> Path:
    """Return the path of the weights of `graph`, which need not exist."""
    upper = graph.with_suffix(".BIN")
    lower = graph.with_suffix(".bin")
    return upper if upper.is_file() and not lower.is_file() else lower


def fault_of_weights(graph: Path) -> str | None:
    """Return why the weights beside `graph` cannot belong to it, or None. Raises OSError."""
    text = graph.read_bytes()
    if not is_whole(text):
        return None
    weights = weights_of(graph)
    found, wanted = weights.stat().st_size, _weight_bytes(text)
    if found == wanted:
        return None
    sizes = f"it has {found} bytes, and the .xml points at {wanted}"
    if found < wanted:
        return placeholder_in(weights) or f"is cut short, or of another model: {sizes}"
    return f"is of another model: {sizes}"


def is_whole(graph: bytes) -> bool:
    """Whether the text of a graph is complete."""
    return graph.rstrip().endswith(b"</net>")


def _weight_bytes(graph: bytes) -> int:
    """Return the end of the last constant, which is the size of a complete weights file."""
    ends = [0]
    for data in _DATA.findall(graph):
        offset, size = _OFFSET.search(data), _SIZE.search(data)
        if offset and size:
            ends.append(int(offset[1]) + int(size[1]))
    return max(ends)
