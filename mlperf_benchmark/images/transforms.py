"""The preprocessings by name: decoded RGB pixels to the uint8 crop that the model sees."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.images.decoding import UnreadableImageError

Pixels = NDArray[np.uint8]
"""uint8 RGB pixels, shape (height, width, 3)."""

SHORT_SIDE = 256
CROP = 224
CROP_PADDING = 32
MAX_ASPECT = 1000


@dataclass(frozen=True)
class Preprocessing:
    """A way to make the crop. `version` counts up with every change of its pixels."""

    name: str
    version: int
    image: ImageFormat
    transform: Callable[[Pixels], Pixels]


def vgg(rgb: Pixels) -> Pixels:
    """The pixels of `pre_process_vgg` of the MLPerf reference app before its mean subtraction.

    Short side to 256 by cv2's INTER_AREA, the long side rounded down, centre crop rounded down.
    """
    resized = cv2.resize(rgb, _resized(rgb), interpolation=cv2.INTER_AREA)
    left = (resized.shape[1] - CROP) // 2
    top = (resized.shape[0] - CROP) // 2
    return np.asarray(resized[top : top + CROP, left : left + CROP], np.uint8)


def torchvision(
    rgb: Pixels, resampling: Image.Resampling, short_side: int = SHORT_SIDE, crop: int = CROP
) -> Pixels:
    """torchvision's `Resize(short_side, resampling)`, `CenterCrop(crop)` on a PIL image.

    Bilinear and bicubic are antialiased. The crop's corner is rounded half to even, as Python does;
    padding is never wanted here: the short side is longer than the crop.
    """
    resized = Image.fromarray(rgb).resize(_resized(rgb, short_side), resampling)
    left = round((resized.width - crop) / 2)
    top = round((resized.height - crop) / 2)
    return np.asarray(resized.crop((left, top, left + crop, top + crop)))


def _resized(rgb: Pixels, short_side: int = SHORT_SIDE) -> tuple[int, int]:
    """Width and height with the short side at `short_side` and the long side rounded down.

    Raises UnreadableImageError for a strip that would take gigabytes of memory.
    """
    height, width = rgb.shape[:2]
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise UnreadableImageError(f"{width} x {height} pixels are no picture")
    if height > width:
        return short_side, int(short_side * height / width)
    return int(short_side * width / height), short_side


def _efficientnet_lite(name: str, size: int) -> Preprocessing:
    """Of the variant whose input is `size` wide: the short side is 32 pixels longer.

    As https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet (CROP_PADDING)
    evaluates each variant: the crop is 0.875, 0.882 and 0.890 of the short side for Lite0 to 2.
    """
    return Preprocessing(
        name=name,
        version=1,
        image=ImageFormat(size, size, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0)),
        transform=partial(
            torchvision,
            resampling=Image.Resampling.BICUBIC,
            short_side=size + CROP_PADDING,
            crop=size,
        ),
    )


VGG = Preprocessing(
    name="imagenet",
    version=1,
    image=ImageFormat(CROP, CROP, mean=(123.68, 116.78, 103.94), std=(1.0, 1.0, 1.0)),
    transform=vgg,
)
PYTORCH = Preprocessing(
    name="imagenet_pytorch",
    version=1,
    image=ImageFormat(
        CROP,
        CROP,
        mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
        std=(0.229 * 255, 0.224 * 255, 0.225 * 255),
    ),
    transform=partial(torchvision, resampling=Image.Resampling.BILINEAR),
)
# https://github.com/facebookresearch/deit/blob/main/datasets.py
DEIT = Preprocessing(
    name="imagenet_deit",
    version=1,
    image=PYTORCH.image,
    transform=partial(torchvision, resampling=Image.Resampling.BICUBIC),
)
EFFICIENTNET_LITE = _efficientnet_lite("imagenet_efficientnet_lite", 224)
EFFICIENTNET_LITE1 = _efficientnet_lite("imagenet_efficientnet_lite1", 240)
EFFICIENTNET_LITE2 = _efficientnet_lite("imagenet_efficientnet_lite2", 260)
PREPROCESSINGS: Mapping[str, Preprocessing] = MappingProxyType(
    {
        preprocessing.name: preprocessing
        for preprocessing in (
            VGG,
            PYTORCH,
            DEIT,
            EFFICIENTNET_LITE,
            EFFICIENTNET_LITE1,
            EFFICIENTNET_LITE2,
        )
    }
)
