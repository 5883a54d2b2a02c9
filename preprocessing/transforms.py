"""The preprocessings by name: decoded RGB pixels to the uint8 crop that the model sees."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.image import ImageFormat

Pixels = NDArray[np.uint8]
"""uint8 RGB pixels, shape (height, width, 3)."""

SHORT_SIDE = 256
CROP = 224


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
    height, width = rgb.shape[:2]
    if height > width:
        size = (SHORT_SIDE, int(SHORT_SIDE * height / width))
    else:
        size = (int(SHORT_SIDE * width / height), SHORT_SIDE)
    resized = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
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
    """torchvision rounds the long side down and the crop's corner to the nearest even number.

    Its padding is never wanted here: the short side is longer than the crop.
    """
    height, width = rgb.shape[:2]
    if width <= height:
        size = (SHORT_SIDE, int(SHORT_SIDE * height / width))
    else:
        size = (int(SHORT_SIDE * width / height), SHORT_SIDE)
    resized = Image.fromarray(rgb).resize(size, resampling)
    left = round((size[0] - CROP) / 2)
    top = round((size[1] - CROP) / 2)
    return np.asarray(resized.crop((left, top, left + CROP, top + CROP)))


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
