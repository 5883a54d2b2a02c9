"""JPEG files to the pixels that a model takes, on the node."""

from mlperf_benchmark.images.decoding import decode_rgb
from mlperf_benchmark.images.transforms import PREPROCESSINGS, Pixels, custom
from mlperf_benchmark.network.served_model import ServedModel


def pixels_of(data: bytes, served: ServedModel) -> Pixels:
    """Decode and preprocess one file's content. Raises UnreadableImageError."""
    if served.preprocessing is not None:
        return custom(served.preprocessing).transform(decode_rgb(data))
    return PREPROCESSINGS[served.dataset].transform(decode_rgb(data))
