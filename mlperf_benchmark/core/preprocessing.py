"""What a model of the user's own takes: as far as its card tells, and completed."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.image_format import ImageFormat

CUSTOM = "custom"
"""The profile and the data set of a model of the user's own."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PIXEL = 1 / 255
"""What pixels from 0 to 255 are multiplied by before mean and std, where nothing else is said."""
CROP = 224
CROP_PCT = 0.875
"""The crop's share of the short side: 224 of 256."""
INTERPOLATIONS = ("bicubic", "bilinear", "box", "hamming", "lanczos", "nearest")
CHANNEL_ORDERS = ("RGB", "BGR")
CENTER, SQUASH = "center", "squash"

Channels = tuple[float, float, float]
Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class CustomPreprocessing:
    """From a decoded image to what the model takes.

    With `keeps_aspect` the image is made just as large as to cover `resize`, otherwise exactly so.
    `crop` is of its centre. `mean` and `std` are in the order of `channel_order`, of pixels from 0
    to 255 times `rescale_factor`. `source` says where all that comes from.
    """

    resize: Size = (256, 256)
    keeps_aspect: bool = True
    crop: Size = (CROP, CROP)
    interpolation: str = "bilinear"
    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD
    rescale_factor: float = PIXEL
    channel_order: str = "RGB"
    source: str = "assumed"

    @property
    def image(self) -> ImageFormat:
        """The crop, with the normalisation in units of pixels."""
        red, green, blue = (
            (mean / self.rescale_factor, std / self.rescale_factor)
            for mean, std in zip(self.mean, self.std, strict=True)
        )
        return ImageFormat(
            *self.crop, mean=(red[0], green[0], blue[0]), std=(red[1], green[1], blue[1])
        )

    @property
    def card(self) -> "ModelCard":
        """A card that says the same. It has no words for covering a size that is not square."""
        height, width = self.resize
        resize = None if self.keeps_aspect else (height, width)
        return ModelCard(
            resize=(height,) if self.keeps_aspect and height == width else resize,
            crop=self.crop,
            interpolation=self.interpolation,
            mean=self.mean,
            std=self.std,
            rescale_factor=self.rescale_factor,
            channel_order=self.channel_order,
        )

    @property
    def has_borders(self) -> bool:
        """Whether what is resized need not fill the crop."""
        return self.resize[0] < self.crop[0] or self.resize[1] < self.crop[1]

    @property
    def steps(self) -> str:
        """In words, without the source."""
        short = self.keeps_aspect and self.resize[0] == self.resize[1]
        parts = [
            f"resize {self.resize[0] if short else shown(self.resize)} ({self.interpolation})",
            f"crop {shown(self.crop)}",
        ]
        if not short:
            parts[0] += " keeping the aspect ratio" if self.keeps_aspect else " squashed"
        if self.channel_order != "RGB":
            parts.append(self.channel_order)
        if (self.mean, self.std, self.rescale_factor) == ((0, 0, 0), (1, 1, 1), 1):
            return ", ".join([*parts, "pixels from 0 to 255"])
        parts += [f"mean {_numbers(self.mean)}", f"std {_numbers(self.std)}"]
        if self.rescale_factor != PIXEL:
            parts.append(f"of pixels × {self.rescale_factor:.6g}")
        return ", ".join(parts)


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model; None, or no name, where it is not said.

    `resize` is the short side, or height and width that the image is squashed to. In its place
    `crop_pct` may tell the crop's share of it, in the way of `crop_mode`. `labels_offset` is added
    to what the model answers. The rest is as in `CustomPreprocessing` and the options of main.py.
    """

    resize: tuple[int, ...] | None = None
    crop: Size | None = None
    crop_pct: float | None = None
    crop_mode: str | None = None
    interpolation: str | None = None
    mean: Channels | None = None
    std: Channels | None = None
    rescale_factor: float | None = None
    channel_order: str | None = None
    layout: str | None = None
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    labels_offset: int | None = None

    def __post_init__(self) -> None:
        if self.resize and (self.crop_pct or self.crop_mode):
            raise UsageError(
                "resize gives the size in pixels, crop_pct and crop_mode by that of the crop: use "
                "one or the other."
            )

    @property
    def said(self) -> tuple[str, ...]:
        """The names of what it tells."""
        fields = (field.name for field in dataclasses.fields(self))
        return tuple(name for name in fields if getattr(self, name) is not None)

    def tells_all(self, takes_bytes: bool) -> bool:
        """Whether nothing about the images would have to be assumed."""
        normalisation = takes_bytes or (self.mean is not None and self.std is not None)
        sized = self.resize is not None or self.crop_pct is not None
        return normalisation and sized and self.interpolation is not None

    def over(self, other: "ModelCard") -> "ModelCard":
        """This card, and `other` where it says nothing."""
        if self.resize:
            other = dataclasses.replace(other, crop_pct=None, crop_mode=None)
        elif self.crop_pct or self.crop_mode:
            other = dataclasses.replace(other, resize=None)
        return dataclasses.replace(other, **{name: getattr(self, name) for name in self.said})

    def complete(
        self, size: Size | None, takes_bytes: bool, source: str
    ) -> tuple[CustomPreprocessing, tuple[str, ...]]:
        """All of the preprocessing, and in words what had to be assumed for it.

        `size` is what the model takes, None where it takes any. A model that `takes_bytes`
        normalises them itself. Raises UsageError for what contradicts itself or the model.
        """
        assumed = []
        if self.crop and size and self.crop != size:
            raise ModelError(
                f"The model takes images of {shown(size)}, but the crop is "
                f"{shown(self.crop)} ({source}): give --crop {_words(size)} and a --resize for it."
            )
        crop = self.crop or size
        if crop is None:
            crop = (CROP, CROP)
            assumed.append(f"crop {shown(crop)}, as its size is not given")
        resize, keeps_aspect = self._resize(crop)
        if not (self.resize or self.crop_pct):
            short = resize[0] if resize[0] == resize[1] else shown(resize)
            assumed.append(f"resize {short} (crop / {CROP_PCT})")
        if self.interpolation is None:
            assumed.append("bilinear interpolation")
        normalisation = self._normalisation(takes_bytes)
        if not takes_bytes:
            missing = [name for name in ("mean", "std") if getattr(self, name) is None]
            if missing:
                assumed.append(f"ImageNet's {' and '.join(missing)}")
        made = CustomPreprocessing(
            resize=resize,
            keeps_aspect=keeps_aspect,
            crop=crop,
            interpolation=self.interpolation or "bilinear",
            channel_order=self.channel_order or "RGB",
            source=source,
        )
        return dataclasses.replace(made, **normalisation), tuple(assumed)

    def _resize(self, crop: Size) -> tuple[Size, bool]:
        if self.resize:
            keeps_aspect = len(self.resize) == 1
            return (self.resize[0], self.resize[-1]), keeps_aspect
        share = self.crop_pct or CROP_PCT
        height, width = (math.floor(side / share) for side in crop)
        return (height, width), self.crop_mode != SQUASH

    def _normalisation(self, takes_bytes: bool) -> dict[str, Any]:
        if takes_bytes:
            return {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "rescale_factor": 1.0}
        mean, std = self.mean or IMAGENET_MEAN, self.std or IMAGENET_STD
        if self.rescale_factor is None and max(map(abs, (*mean, *std))) > 1:
            raise UsageError(
                f"mean {_numbers(mean)} and std {_numbers(std)} are of pixels from 0 to 255, not "
                "from 0 to 1: add --rescale-factor 1."
            )
        return {"mean": mean, "std": std, "rescale_factor": self.rescale_factor or PIXEL}


def shown(size: Size) -> str:
    """224×224."""
    return "×".join(map(str, size))


def _words(size: Size) -> str:
    return str(size[0]) if size[0] == size[1] else ",".join(map(str, size))


def _numbers(values: Channels) -> str:
    return " ".join(f"{value:.6g}" for value in values)
