"""The preprocessings by name: decoded RGB pixels to the uint8 crop that the model sees."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


def torchvision_bilinear(rgb: Pixels) -> Pixels:
    """torchvision's `Resize(256)`, `CenterCrop(224)` on a PIL image, bilinear with antialiasing."""
    return _resize_and_crop(rgb, Image.Resampling.BILINEAR)


def torchvision_bicubic(rgb: Pixels) -> Pixels:
    """torchvision's `Resize(256, BICUBIC)`, `CenterCrop(224)` on a PIL image."""
    return _resize_and_crop(rgb, Image.Resampling.BICUBIC)


def _resize_and_crop(rgb: Pixels, resampling: Image.Resampling) -> Pixels:
    """torchvision rounds the crop's corner half to even, as Python does.

    Its padding is never wanted here: the short side is longer than the crop.
    """
    resized = Image.fromarray(rgb).resize(_resized(rgb), resampling)
    left = round((resized.width - CROP) / 2)
    top = round((resized.height - CROP) / 2)
    return np.asarray(resized.crop((left, top, left + CROP, top + CROP)))


def _resized(rgb: Pixels) -> tuple[int, int]:
    """Width and height with the short side at 256 and the long side rounded down.

    Raises UnreadableImageError for a strip that would take gigabytes of memory.
    """
    height, width = rgb.shape[:2]
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise UnreadableImageError(f"{width} x {height} pixels are no picture")
    if height > width:
        return SHORT_SIDE, int(SHORT_SIDE * height / width)
    return int(SHORT_SIDE * width / height), SHORT_SIDE


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
    transform=torchvision_bilinear,
)
EFFICIENTNET_LITE = Preprocessing(
    name="imagenet_efficientnet_lite",
    version=1,
    image=ImageFormat(CROP, CROP, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0)),
    transform=torchvision_bicubic,
)
PREPROCESSINGS: Mapping[str, Preprocessing] = MappingProxyType(
    {preprocessing.name: preprocessing for preprocessing in (VGG, PYTORCH, EFFICIENTNET_LITE)}
)
