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
from mlperf_benchmark.core.preprocessing import CustomPreprocessing, Size
from mlperf_benchmark.images.decoding import UnreadableImageError

Pixels = NDArray[np.uint8]
"""uint8 RGB pixels, shape (height, width, 3)."""

SHORT_SIDE = 256
CROP = 224
CROP_PADDING = 32
MAX_ASPECT = 1000


@dataclass(frozen=True)
class Preprocessing:
    """A way to make the crop. `version` counts up with every change of its pixels.

    `custom` is what tells one of the user's own from others of that name.
    """

    name: str
    version: int
    image: ImageFormat
    transform: Callable[[Pixels], Pixels]
    custom: CustomPreprocessing | None = None


def vgg(rgb: Pixels) -> Pixels:
    """The pixels of `pre_process_vgg` of the MLPerf reference app before its mean subtraction.

    Short side to 256 by cv2's INTER_AREA, the long side rounded down, centre crop rounded down.
    """
    resized = cv2.resize(rgb, _resized(rgb), interpolation=cv2.INTER_AREA)
    left = (resized.shape[1] - CROP) // 2
    top = (resized.shape[0] - CROP) // 2
    return np.asarray(resized[top : top + CROP, left : left + CROP], np.uint8)


def torchvision(
    rgb: Pixels, resampling: Image.Resampling, size: tuple[int, int], crop: Size
) -> Pixels:
    """torchvision's `Resize`, `CenterCrop(crop)` on a PIL image. `size` is width and height.

    All filters but the nearest neighbour's are antialiased. What is smaller than the crop gets
    black borders.
    """
    resized = Image.fromarray(rgb).resize(size, resampling)
    left, top = _corner(resized.width, crop[1]), _corner(resized.height, crop[0])
    return np.asarray(resized.crop((left, top, left + crop[1], top + crop[0])))


def _corner(side: int, crop: int) -> int:
    """Rounded half to even, as Python does; where it pads, torchvision rounds the border down."""
    return round((side - crop) / 2) if side >= crop else -((crop - side) // 2)


def short_side(
    rgb: Pixels, resampling: Image.Resampling, side: int = SHORT_SIDE, crop: int = CROP
) -> Pixels:
    """`Resize(side)` keeps the aspect ratio, `CenterCrop(crop)` is square."""
    return torchvision(rgb, resampling, _resized(rgb, side), (crop, crop))


def own(rgb: Pixels, wanted: CustomPreprocessing) -> Pixels:
    """As the user's own model wants it, in its order of the channels."""
    resampling = Image.Resampling[wanted.interpolation.upper()]
    pixels = torchvision(rgb, resampling, _covering(rgb, wanted), wanted.crop)
    return pixels if wanted.channel_order == "RGB" else np.ascontiguousarray(pixels[..., ::-1])


def _covering(rgb: Pixels, wanted: CustomPreprocessing) -> tuple[int, int]:
    """Width and height to resize to. Raises UnreadableImageError for a strip."""
    height, width = wanted.resize
    if not wanted.keeps_aspect:
        _check_aspect(rgb)
        return width, height
    if height == width:
        return _resized(rgb, height)
    # As timm's ResizeKeepRatio does for inputs that are not square.
    _check_aspect(rgb)
    ratio = min(rgb.shape[0] / height, rgb.shape[1] / width)
    return round(rgb.shape[1] / ratio), round(rgb.shape[0] / ratio)


def _resized(rgb: Pixels, side: int = SHORT_SIDE) -> tuple[int, int]:
    """Width and height with the short side at `side` and the long side rounded down.

    Raises UnreadableImageError for a strip.
    """
    _check_aspect(rgb)
    height, width = rgb.shape[:2]
    if height > width:
        return side, int(side * height / width)
    return int(side * width / height), side


def _check_aspect(rgb: Pixels) -> None:
    """Raises UnreadableImageError for a strip that would take gigabytes of memory."""
    height, width = rgb.shape[:2]
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise UnreadableImageError(f"{width} x {height} pixels are a strip, not a picture")


def custom(wanted: CustomPreprocessing) -> Preprocessing:
    """That of a model of the user's own."""
    return Preprocessing(
        name="custom",
        version=1,
        image=wanted.image,
        transform=partial(own, wanted=wanted),
        custom=wanted,
    )


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
            short_side,
            resampling=Image.Resampling.BICUBIC,
            side=size + CROP_PADDING,
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
    transform=partial(short_side, resampling=Image.Resampling.BILINEAR),
)
# https://github.com/facebookresearch/deit/blob/main/datasets.py
DEIT = Preprocessing(
    name="imagenet_deit",
    version=1,
    image=PYTORCH.image,
    transform=partial(short_side, resampling=Image.Resampling.BICUBIC),
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
