"""Hugging Face's preprocessor_config.json, read as transformers' image processors read it.

A field that is missing has the default of the processor that the file names
(https://github.com/huggingface/transformers/tree/main/src/transformers/models: image_processing_*).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    PIXEL,
    Channels,
    ModelCard,
    Size,
)
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.models.files.cards.own import value_of

TYPES = ("image_processor_type", "feature_extractor_type")
_SUFFIX = re.compile(r"(ImageProcessor|FeatureExtractor)(Fast|Pil)?$")
# Numbers that Pillow gives to its filters.
FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
NEAREST, BILINEAR, BICUBIC = 0, 2, 3
HALF = (0.5, 0.5, 0.5)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
# From this size on, ConvNext squashes the whole image instead of cropping it.
CONVNEXT_WHOLE = 384
LEVIT_SHARE = 224 / 256
OFFSET = 127.5

Resize = tuple[int, ...]
"""As in `ModelCard`."""


@dataclass(frozen=True)
class Processor:
    """The defaults of one kind of processor. `size` and `crop` are written as in the file.

    `is_square` says whether a single number as `size` means a square or the short side.
    `includes_top` is EfficientNet's word for dividing by the standard deviation twice. `resizing`
    turns `size` into the size to resize to and, if it crops as well, the crop.
    """

    size: Any
    crop: Any = None
    resample: int = BICUBIC
    mean: Channels = HALF
    std: Channels = HALF
    is_square: bool = True
    normalises: bool = True
    flips_channels: bool = False
    includes_top: bool = False
    resizing: "Callable[[Resize, Mapping[str, Any]], tuple[Resize, Size | None]] | None" = None


def _convnext(size: Resize, content: Mapping[str, Any]) -> tuple[Resize, Size | None]:
    side = size[0]
    if side >= CONVNEXT_WHOLE:
        return (side, side), (side, side)
    return (int(side / (content.get("crop_pct") or LEVIT_SHARE)),), (side, side)


def _levit(size: Resize, _content: Mapping[str, Any]) -> tuple[Resize, Size | None]:
    return ((int(size[0] / LEVIT_SHARE),) if len(size) == 1 else size), None


def _poolformer(size: Resize, content: Mapping[str, Any]) -> tuple[Resize, Size | None]:
    share = content.get("crop_pct", 0.9)
    if not share or (len(size) == 2 and size[0] != size[1]):
        return size, None
    return (int(size[0] / share),), None


def _edge(side: int) -> dict[str, int]:
    return {"shortest_edge": side}


PROCESSORS: Mapping[str, Processor] = MappingProxyType(
    {
        "Beit": Processor(256, crop=224),
        "Bit": Processor(_edge(224), 224, mean=CLIP_MEAN, std=CLIP_STD, is_square=False),
        "CLIP": Processor(_edge(224), 224, mean=CLIP_MEAN, std=CLIP_STD, is_square=False),
        "ConvNext": Processor(_edge(384), is_square=False, resizing=_convnext),
        "DeiT": Processor(256, crop=224),
        "DINOv3ViT": Processor(224, resample=BILINEAR, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        "EfficientFormer": Processor(224, crop=224, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        "EfficientNet": Processor(346, resample=NEAREST, includes_top=True),
        "Levit": Processor(
            *(_edge(224), 224),
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            is_square=False,
            resizing=_levit,
        ),
        "MobileNetV1": Processor(_edge(256), 224, BILINEAR, is_square=False),
        "MobileNetV2": Processor(_edge(256), 224, BILINEAR, is_square=False),
        "MobileViT": Processor(
            _edge(224), 256, BILINEAR, is_square=False, normalises=False, flips_channels=True
        ),
        "PoolFormer": Processor(
            *(_edge(224), 224),
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            is_square=False,
            resizing=_poolformer,
        ),
        "Pvt": Processor(224, resample=BILINEAR, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        "Segformer": Processor(512, resample=BILINEAR, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        "Siglip": Processor(224),
        "ViT": Processor(224, resample=BILINEAR),
        "ViTHybrid": Processor(_edge(224), 224, mean=CLIP_MEAN, std=CLIP_STD, is_square=False),
    }
)
"""The processors of image classifiers, by name without "ImageProcessor"."""


def is_processor(content: Mapping[str, Any]) -> bool:
    """Whether the content is a processor's, or of a file that transformers keeps beside it."""
    return any(name in content for name in (*TYPES, "do_resize", "image_mean", "model_type"))


def read_processor(content: Mapping[str, Any]) -> ModelCard:
    """Return the card. Raises UsageError for unknown kinds and for steps without a counterpart
    here.
    """
    processor = _processor(content)
    read = _Reader(content, processor)
    if not read.flag("do_resize", True):
        raise UsageError("it does not resize (do_resize is false): give --resize and --crop.")
    resize, crop = read.geometry()
    mean, std, factor = read.normalisation()
    number = read.number("resample", processor.resample)
    if number not in range(len(FILTERS)):
        raise UsageError(f"resample is {number!r}, and Pillow's filters are 0 to 5.")
    return ModelCard(
        resize=resize,
        crop=crop,
        interpolation=FILTERS[int(number)],
        mean=mean,
        std=std,
        rescale_factor=factor,
        channel_order="BGR"
        if read.flag("do_flip_channel_order", processor.flips_channels)
        else "RGB",
    )


def _processor(content: Mapping[str, Any]) -> Processor:
    kind = next((content[name] for name in TYPES if content.get(name)), None)
    if kind is None:
        raise UsageError(
            "it names no image_processor_type, which decides what the rest means: say the same by "
            "--resize, --crop, --interpolation, --mean and --std."
        )
    name = _SUFFIX.sub("", str(kind))
    if name not in PROCESSORS:
        raise UsageError(
            f"{kind} is not an image processor that is known here ({', '.join(PROCESSORS)}): say "
            "the same by --resize, --crop, --interpolation, --mean and --std."
        )
    return PROCESSORS[known_name("image processor", name, PROCESSORS)]


class _Reader:
    """Reads the fields of one file. As in transformers, null stands for the default."""

    def __init__(self, content: Mapping[str, Any], processor: Processor) -> None:
        self._content = content
        self._processor = processor

    def flag(self, name: str, default: bool) -> bool:
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise UsageError(f"{name} is {value!r}, neither true nor false.")
        return value

    def number(self, name: str, default: float) -> float:
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UsageError(f"{name} is {value!r}, not a number.")
        return value

    def geometry(self) -> tuple[Resize, Size]:
        """Return the size to resize to, and the crop."""
        resize = self._size("size", self._processor.size, self._processor.is_square)
        crop = None
        if self._processor.resizing is not None:
            resize, crop = self._processor.resizing(resize, self._content)
        if crop is None and self.flag("do_center_crop", self._processor.crop is not None):
            # If this kind does not crop by itself, the crop is in the file.
            sides = self._size("crop_size", self._processor.crop or 224, True)
            crop = (sides[0], sides[-1])
        if crop is None:
            if len(resize) == 1:
                raise UsageError("it keeps the aspect ratio and crops nothing: give --crop.")
            crop = (resize[0], resize[1])
        return resize, crop

    def normalisation(self) -> tuple[Channels, Channels, float]:
        """Return mean, standard deviation, and the factor that pixels are multiplied by before."""
        factor = self.number("rescale_factor", PIXEL) if self.flag("do_rescale", True) else 1.0
        if not factor > 0:
            raise UsageError(f"rescale_factor is {factor!r}, not above 0.")
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        if self.flag("do_normalize", self._processor.normalises):
            mean = value_of("mean", self._value("image_mean", list(self._processor.mean)))
            std = value_of("std", self._value("image_std", list(self._processor.std)))
            if self.flag("include_top", self._processor.includes_top):
                std = (std[0] ** 2, std[1] ** 2, std[2] ** 2)
        if self.flag("rescale_offset", False):
            mean = (mean[0] + OFFSET * factor, mean[1] + OFFSET * factor, mean[2] + OFFSET * factor)
        return mean, std, factor

    def _size(self, name: str, default: Any, is_square: bool) -> Resize:
        """Return one number for the short side, or height and width."""
        value = self._value(name, default)
        if isinstance(value, dict):
            if "shortest_edge" in value:
                return tuple(value_of("resize", value["shortest_edge"]))
            if {"height", "width"} <= value.keys():
                return tuple(value_of("resize", [value["height"], value["width"]]))
            raise UsageError(f"{name} is {value!r}: neither shortest_edge nor height and width.")
        sides = tuple(value_of("resize", value))
        return sides * 2 if len(sides) == 1 and is_square else sides

    def _value(self, name: str, default: Any) -> Any:
        value = self._content.get(name)
        return default if value is None else value
