"""Finds where an ONNX file stores its weights, without needing the onnx package.

Of the protocol buffer (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3), only the messages
that lead to a tensor are read.
"""

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlperf_benchmark.models.files.protocol_buffer import fields, varint

TENSOR, EXTERNAL_DATA, DATA_LOCATION = "Tensor", 13, 14
EXTERNAL = 1
KEY, VALUE = 1, 2
# Maps each message to the fields that are entered: field number to the message in it.
FIELDS: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "Model": {7: "Graph", 20: "Training", 25: "Function"},
        "Training": {1: "Graph", 2: "Graph"},
        "Function": {7: "Node"},
        "Graph": {1: "Node", 5: TENSOR, 15: "Sparse"},
        "Node": {5: "Attribute"},
        "Attribute": {5: TENSOR, 6: "Graph", 10: TENSOR, 11: "Graph", 22: "Sparse", 23: "Sparse"},
        "Sparse": {1: TENSOR, 2: TENSOR},
    }
)


@dataclass(frozen=True)
class ExternalData:
    """`location` is relative to the ONNX file's folder; `end` is the offset after the last byte."""

    location: str
    end: int


def external_data(model: Path) -> tuple[ExternalData, ...]:
    """Return the files that the ONNX file `model` refers to, sorted by location.

    A file that is not ONNX gives none; its reader reports the fault. Raises OSError.
    """
    with model.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            return ()
        with content:
            ends: dict[str, int] = {}
            try:
                for found in _in_message(content, 0, len(content), "Model"):
                    ends[found.location] = max(found.end, ends.get(found.location, 0))
            except (ValueError, RecursionError):
                return ()
    return tuple(ExternalData(location, end) for location, end in sorted(ends.items()))


def _in_message(content: mmap.mmap, start: int, end: int, message: str) -> Iterator[ExternalData]:
    if message == TENSOR:
        yield from _of_tensor(content, start, end)
        return
    known = FIELDS[message]
    for number, first, last in fields(content, start, end):
        if number in known:
            yield from _in_message(content, first, last, known[number])


def _of_tensor(content: mmap.mmap, start: int, end: int) -> Iterator[ExternalData]:
    entries: dict[str, str] = {}
    is_external = False
    for number, first, last in fields(content, start, end):
        if number == DATA_LOCATION:
            is_external = varint(content, first, last)[0] == EXTERNAL
        elif number == EXTERNAL_DATA:
            entry = {
                key: content[begin:stop].decode(errors="surrogateescape")
                for key, begin, stop in fields(content, first, last)
            }
            entries[entry.get(KEY, "")] = entry.get(VALUE, "")
    if is_external and "location" in entries:
        numbers = (entries.get(name, "") for name in ("offset", "length"))
        yield ExternalData(
            entries["location"], sum(int(text) for text in numbers if text.isdecimal())
        )
