"""Image files to RGB pixels, with damaged files found out."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.placeholders import HEAD_BYTES, placeholder

_JPEG_START = b"\xff\xd8\xff"
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = b"\xff\xd9"


class UnreadableImageError(Exception):
    """Why an image file cannot be used, in a few words."""


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Decode a file as `decode_rgb` does. Raises UnreadableImageError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableImageError((error.strerror or str(error)).lower()) from None
    return decode_rgb(data)


def decode_rgb(data: bytes) -> NDArray[np.uint8]:
    """Decode a file's content into uint8 RGB of shape (height, width, 3).

    The pixels are those of `cv2.imread(path, IMREAD_COLOR)`: the content decides on the format,
    not the name; greyscale and CMYK become RGB, alpha is dropped, 16 bits become 8 and the EXIF
    orientation is applied. Unlike `imread`, which fills up what a truncated JPEG lacks, decoding
    from memory fails on every file that ends early. Raises UnreadableImageError.
    """
    if not data:
        raise UnreadableImageError("empty file")
    what = placeholder(data[:HEAD_BYTES])
    if what is not None:
        found, _, cure = what.removeprefix("is ").partition("; ")
        raise UnreadableImageError(f"{found} ({cure})")
    if data.startswith(_JPEG_START) and not _has_jpeg_end(data):
        raise UnreadableImageError("truncated JPEG")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except (cv2.error, MemoryError):
        raise UnreadableImageError("too large or damaged") from None
    if pixels is None:
        raise UnreadableImageError("truncated, damaged or no image")
    return np.asarray(pixels, np.uint8)


def _has_jpeg_end(data: bytes) -> bool:
    """Whether an end-of-image marker follows the first scan.

    Headers are stepped over, as an EXIF thumbnail in them has an end marker of its own; in the
    scan's data the marker's bytes cannot occur (ITU T.81, B.1.1.5). This finds files whose tail
    is zeros, which a decoder may take for pixels.
    """
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == _START_OF_SCAN:
            return data.rfind(_END_OF_IMAGE, position) != -1
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return False
