"""What a served model takes and answers, found from its metadata and checked."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.image_format import ImageFormat, Samples
from mlperf_benchmark.core.network_config import JPEG, PIXELS
from mlperf_benchmark.network.client.wire import Tensor
from mlperf_benchmark.network.served_model import LABELS, NODE

ENCODED = "encoded"
ENCODED_INPUTS = (("BYTES", (1,)), ("UINT8", (-1,)))
"""An element of bytes, or the bytes themselves."""
LENGTH_BYTES = 4
DEFAULT_CLASSES = 1000
SCORES = (1000, 1001)


@dataclass(frozen=True)
class Interface:
    """`layout` is NHWC or NCHW, or ENCODED for whole image files.

    `takes_argmax` says that the model answers labels; otherwise `classes` scores.
    """

    images: Tensor
    output: str
    layout: str
    classes: int
    takes_argmax: bool
    tells_node: bool


def interface(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], image: ImageFormat, payload: str
) -> Interface:
    """Raises ModelError saying what does not fit, without the node's name.

    Shapes are with the batch, as the metadata has them.
    """
    images, layout = _input(inputs, image, payload)
    answers = [output for output in outputs if output.name != NODE]
    output = next((output for output in answers if output.name == LABELS), None)
    if output is None:
        if len(answers) != 1:
            raise ModelError(
                f"has the outputs {_list(answers)}: {LABELS} is needed, or one of class scores"
            )
        output = answers[0]
    if output.datatype != "FP32":
        raise ModelError(f"answers {_show(output)}: FP32 is needed")
    values = math.prod(output.shape[1:])
    takes_argmax = output.name == LABELS and values == 1
    if not takes_argmax and values not in SCORES:
        raise ModelError(
            f"answers {_show(output)}: {LABELS} [-1, 1] is needed, or "
            f"{' or '.join(map(str, SCORES))} class scores"
        )
    return Interface(
        images=Tensor(images.name, images.datatype, images.shape[1:]),
        output=output.name,
        layout=layout,
        classes=DEFAULT_CLASSES if takes_argmax else values,
        takes_argmax=takes_argmax,
        tells_node=any(output.name == NODE for output in outputs),
    )


def as_served(samples: Samples, image: ImageFormat, served: Interface) -> Samples:
    """Samples in the form that the model takes; for untimed use, when they are loaded.

    Pixels of shape (batch, height, width, 3) become (batch, 3, height, width) for NCHW and
    normalised for FP32, C-contiguous. Encoded files, shape (batch,), get the length before them
    that KServe's BYTES have, and stay as they are for UINT8.
    """
    if served.layout == ENCODED:
        if served.images.datatype != "BYTES":
            return samples
        framed = np.empty(len(samples), object)
        framed[:] = [len(file).to_bytes(LENGTH_BYTES, "little") + file for file in samples]
        return framed
    pixels = samples
    if served.images.datatype == "FP32":
        pixels = image.normalise(samples)
    if served.layout == "NCHW":
        pixels = pixels.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(pixels)


def black(image: ImageFormat, served: Interface) -> Samples:
    """One sample for a question whose answer does not depend on it."""
    pixels = np.zeros((1, image.height, image.width, 3), np.uint8)
    if served.layout != ENCODED:
        return as_served(pixels, image, served)
    file = np.empty(1, object)
    file[0] = cv2.imencode(".jpg", pixels[0])[1].tobytes()
    return as_served(file, image, served)


def _input(inputs: Sequence[Tensor], image: ImageFormat, payload: str) -> tuple[Tensor, str]:
    if len(inputs) != 1:
        raise ModelError(f"has the inputs {_list(inputs)}: one is needed")
    found = inputs[0]
    if found.shape[:1] not in ((-1,), (1,)):
        raise ModelError(
            f"takes {_show(found)}: a batch of any size is needed, or of 1, as a query is one "
            "sample and is not padded"
        )
    is_encoded = (found.datatype, found.shape[1:]) in ENCODED_INPUTS
    if is_encoded != (payload == JPEG):
        other = JPEG if is_encoded else PIXELS
        raise ModelError(f"takes {_show(found)}: use --payload {other}")
    if is_encoded:
        return found, ENCODED
    layouts: Mapping[tuple[int, ...], str] = {
        (image.height, image.width, 3): "NHWC",
        (3, image.height, image.width): "NCHW",
    }
    layout = layouts.get(found.shape[1:])
    if layout is None or found.datatype not in ("UINT8", "FP32"):
        raise ModelError(
            f"takes {_show(found)}: the data set has images of "
            f"{image.height}×{image.width}, as UINT8 or FP32"
        )
    return found, layout


def _list(tensors: Sequence[Tensor]) -> str:
    return ", ".join(map(_show, tensors)) or "none"


def _show(tensor: Tensor) -> str:
    return f"{tensor.name} {tensor.datatype} {list(tensor.shape)}"
