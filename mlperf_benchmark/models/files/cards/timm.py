"""Reads timm's config.json, also as kept by transformers' TimmWrapper, and bare pretrained_cfg.

Missing fields have the defaults of timm.data.resolve_data_config
(https://github.com/huggingface/pytorch-image-models/blob/main/timm/data/config.py).
"""

from collections.abc import Mapping
from typing import Any

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.preprocessing import (
    CENTER,
    CROP,
    CROP_PCT,
    IMAGENET_MEAN,
    IMAGENET_STD,
    ModelCard,
    Size,
)
from mlperf_benchmark.models.files.cards.own import value_of

NESTED = ("pretrained_cfg", "default_cfg")
INPUT_SIZE = "input_size"
OF_CONFIG = frozenset({"interpolation", "crop_pct", "mean", "std", "first_conv"})


def is_timm(content: Mapping[str, Any]) -> bool:
    """Whether `content` is or contains what timm calls a pretrained_cfg."""
    if any(isinstance(content.get(name), dict) for name in NESTED):
        return True
    # Earlier versions, and Python's print of model.pretrained_cfg, have these fields.
    return INPUT_SIZE in content and not OF_CONFIG.isdisjoint(content)


def read_timm(content: Mapping[str, Any], size: Size | None) -> ModelCard:
    """Return the card; `size` is what the model takes, as timm gives sizes for training and
    testing.

    Raises UsageError.
    """
    nested = next((content[name] for name in NESTED if isinstance(content.get(name), dict)), None)
    known = dict(content if nested is None else nested)
    trained, tested = (_size(known.get(name)) for name in (INPUT_SIZE, f"test_{INPUT_SIZE}"))
    crop = size or trained or (CROP, CROP)
    share = known.get("crop_pct")
    if tested is not None and crop == tested != trained:
        share = known.get("test_crop_pct") or share
    return ModelCard(
        crop=crop,
        crop_pct=value_of("crop_pct", share or CROP_PCT),
        crop_mode=value_of("crop_mode", known.get("crop_mode") or CENTER),
        interpolation=value_of("interpolation", known.get("interpolation") or "bicubic"),
        mean=value_of("mean", _list(known.get("mean") or IMAGENET_MEAN)),
        std=value_of("std", _list(known.get("std") or IMAGENET_STD)),
    )


def _size(value: Any) -> Size | None:
    """Return the size in [channels, height, width], or None."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 3 or value[0] != 3:
        raise UsageError(f"{INPUT_SIZE} is {value!r}, and images here are [3, height, width].")
    size: Size = value_of("crop", value[1:])
    return size


def _list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
