"""Walks through a protocol buffer in a mapped file, skipping unwanted fields by their length."""

import mmap
from collections.abc import Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
VARINT_BYTES = 10


def fields(content: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each field. Raises ValueError if this is not a message."""
    place = start
    while place < end:
        tag, place = varint(content, place, end)
        kind = tag & 7
        if kind == VARINT:
            last = varint(content, place, end)[1]
        elif kind == LENGTH:
            length, place = varint(content, place, end)
            last = place + length
        elif kind in FIXED_BYTES:
            last = place + FIXED_BYTES[kind]
        else:
            raise ValueError("a field of an unknown kind")
        if last > end:
            raise ValueError("a field ends behind its message")
        yield tag >> 3, place, last
        place = last


def varint(content: mmap.mmap, place: int, end: int) -> tuple[int, int]:
    """Return the number at `place` and the position after it."""
    value = 0
    for shift, position in enumerate(range(place, min(end, place + VARINT_BYTES))):
        byte = content[position]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, position + 1
    raise ValueError("a number without an end")
