"""JPEG files to the pixels that a model takes, on the node."""

from mlperf_benchmark.images.decoding import decode_rgb
from mlperf_benchmark.images.transforms import PREPROCESSINGS, Pixels


def pixels_of(data: bytes, preprocessing: str) -> Pixels:
    """Decode and preprocess one file's content. Raises UnreadableImageError."""
    return PREPROCESSINGS[preprocessing].transform(decode_rgb(data))
