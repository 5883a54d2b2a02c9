"""Reads what a model file says about its input from its header, without runtime or weights.

The file is checked when the model is loaded; a file that is not understood here just tells nothing.
"""

import json
import mmap
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.files.ports import Port, choose_image, image_layout
from mlperf_benchmark.models.files.protocol_buffer import fields, varint

BYTES = "u8"
FLOAT = "float"

# Field numbers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
GRAPH, INITIALIZER, INPUT = 7, 5, 11
TENSOR_NAME, VALUE_NAME, VALUE_TYPE = 8, 1, 2
TENSOR_TYPE, ELEMENT_TYPE, SHAPE, DIMENSION, DIMENSION_VALUE, DIMENSION_NAME = 1, 1, 2, 1, 1, 2
ONNX_UINT8 = 2

# Of an OpenVINO graph.
_PARAMETER = re.compile(
    rb'<layer [^>]*name="([^"]*)"[^>]*type="Parameter"[^>]*>\s*<data ([^>]*)/?>'
)
_ATTRIBUTE = re.compile(rb'(\w+)="([^"]*)"')

EXPORTED_GRAPH = "models/model.json"
"""The name of the graph in torch's exported programs, below a folder of any name."""
EXPORTED_UINT8 = 1


@dataclass(frozen=True)
class ImageInput:
    """`size` is height and width, None if the model takes any size or the file does not tell.

    `takes_bytes` means uint8, so that the model itself normalises. `layout` is NCHW or NHWC if it
    follows from the names of the axes, but not from their sizes; `is_clear` says that one of them
    tells it.
    """

    size: tuple[int, int] | None = None
    takes_bytes: bool = False
    layout: str | None = None
    is_clear: bool = False


@dataclass(frozen=True)
class _Input:
    """An input. `layout` follows from the names of its axes."""

    port: Port
    kind: str
    layout: str | None = None


UNKNOWN = ImageInput()
# Errors that zip archives and JSON with unexpected content also raise.
UNREADABLE = (
    *(ModelError, OSError, ValueError, LookupError, TypeError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


def image_input(model: Path, wanted: tuple[str, ...] = (), layout: str | None = None) -> ImageInput:
    """Read the input of a model file in any format.

    `wanted` is the name of the input, `layout` NCHW or NHWC.
    """
    reader = READERS.get(model.suffix.lower())
    if reader is None:
        return UNKNOWN
    try:
        inputs = reader(model)
        port = choose_image([found.port for found in inputs], wanted)
        found = next(one for one in inputs if one.port is port)
        by_size = _layout(port, layout)
        axes = by_size or image_layout(port, found.layout)
    except UNREADABLE:
        return UNKNOWN
    sizes = dict(zip(axes, port.shape or (None,) * len(axes), strict=True))
    height, width = sizes["H"], sizes["W"]
    size = None if height is None or width is None else (height, width)
    named = found.layout if by_size is None else None
    return ImageInput(size, found.kind == BYTES, named, is_clear=True)


def _layout(port: Port, wanted: str | None) -> str | None:
    try:
        return image_layout(port, wanted)
    except ModelError:
        return None


def _onnx(model: Path) -> list[_Input]:
    with (
        model.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        inputs: list[tuple[str, _Input]] = []
        # Up to version 3 of the format, weights are inputs as well.
        weights = set()
        for part, first, last in fields(content, 0, len(content)):
            if part != GRAPH:
                continue
            for number, begin, end in fields(content, first, last):
                if number == INITIALIZER:
                    weights.add(_text(content, begin, end, TENSOR_NAME))
                elif number == INPUT:
                    found = _onnx_value(content, begin, end)
                    inputs.append((found.port.names[0], found))
        return [found for name, found in inputs if name not in weights]


def _onnx_value(content: mmap.mmap, start: int, end: int) -> _Input:
    name, kind = _text(content, start, end, VALUE_NAME), FLOAT
    shape: tuple[int | None, ...] | None = None
    layout = None
    for first, last in _parts(content, [(start, end)], VALUE_TYPE, TENSOR_TYPE):
        for number, begin, stop in fields(content, first, last):
            if number == ELEMENT_TYPE and varint(content, begin, stop)[0] == ONNX_UINT8:
                kind = BYTES
            elif number == SHAPE:
                sizes = _parts(content, [(begin, stop)], DIMENSION)
                shape = tuple(_onnx_size(content, *place) for place in sizes)
                names = [_text(content, *place, DIMENSION_NAME).lower() for place in sizes]
                layout = _layout_of(names)
    return _Input(Port((name,), shape), kind, layout)


def _layout_of(names: Sequence[str]) -> str | None:
    """Return the layout if the axes have the names batch_size, num_channels, height and width."""
    is_channel = ["channel" in name or name == "c" for name in names]
    if is_channel == [False, True, False, False]:
        return "NCHW"
    return "NHWC" if is_channel == [False, False, False, True] else None


def _onnx_size(content: mmap.mmap, start: int, end: int) -> int | None:
    for number, first, last in fields(content, start, end):
        if number == DIMENSION_VALUE:
            size = varint(content, first, last)[0]
            return size if 0 < size < 1 << 31 else None
    return None


def _parts(content: mmap.mmap, places: list[tuple[int, int]], *path: int) -> list[tuple[int, int]]:
    """Return the places of the messages to which `path`, a sequence of field numbers, leads."""
    for wanted in path:
        places = [
            (first, last)
            for place in places
            for number, first, last in fields(content, *place)
            if number == wanted
        ]
    return places


def _text(content: mmap.mmap, start: int, end: int, wanted: int) -> str:
    found = _parts(content, [(start, end)], wanted)
    return content[slice(*found[0])].decode(errors="replace") if found else ""


def _graph(model: Path) -> list[_Input]:
    return _ir(model.read_bytes())


def _zipped_graph(model: Path) -> list[_Input]:
    with zipfile.ZipFile(model) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(".xml")]
        return _ir(archive.read(names[0])) if len(names) == 1 else []


def _ir(text: bytes) -> list[_Input]:
    found = []
    for name, data in _PARAMETER.findall(text):
        attributes = {key.decode(): value.decode() for key, value in _ATTRIBUTE.findall(data)}
        sizes = [size.strip() for size in attributes["shape"].split(",")]
        shape = tuple(int(size) if size.isdecimal() else None for size in sizes)
        kind = BYTES if attributes["element_type"] == BYTES else FLOAT
        known = None if sizes == ["..."] else shape
        found.append(_Input(Port((name.decode(),), known), kind))
    return found


def _compiled(model: Path) -> list[_Input]:
    with zipfile.ZipFile(model) as archive:
        content = json.loads(archive.read("model.json"))
    return [_Input(Port((content["input_name"],), (None, *content["input_shape"])), FLOAT)]


def _exported(model: Path) -> list[_Input]:
    with zipfile.ZipFile(model) as archive:
        graphs = [name for name in archive.namelist() if name.endswith(EXPORTED_GRAPH)]
        module = json.loads(archive.read(graphs[0]))["graph_module"]
    values = module["graph"]["tensor_values"]
    inputs = []
    for one in module["signature"]["input_specs"]:
        if "user_input" in one:
            name = one["user_input"]["arg"]["as_tensor"]["name"]
            shape = _exported_shape(values[name]["sizes"])
            kind = BYTES if values[name]["dtype"] == EXPORTED_UINT8 else FLOAT
            inputs.append(_Input(Port((name,), shape), kind))
    return inputs


def _exported_shape(sizes: Sequence[Mapping[str, Any]]) -> tuple[int | None, ...]:
    return tuple(size.get("as_int") for size in sizes)


READERS: Mapping[str, Callable[[Path], list[_Input]]] = MappingProxyType(
    {
        ".onnx": _onnx,
        ".xml": _graph,
        ".zip": _zipped_graph,
        ".tvm": _compiled,
        ".pt2": _exported,
    }
)
"""The readers by suffix of the file."""
