"""Finds the card of a model file and reads it in any of the supported formats."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.preprocessing import ModelCard, Size
from mlperf_benchmark.core.toml import parse_toml
from mlperf_benchmark.models.files.cards.huggingface import is_processor, read_processor
from mlperf_benchmark.models.files.cards.own import read_own
from mlperf_benchmark.models.files.cards.timm import is_timm, read_timm

OWN = (".card.toml", ".card.json")
FOREIGN = ("preprocessor_config.json", "config.json")
EXPORT_FOLDER = "onnx"
"""Hugging Face's exporters put models into this subfolder of the one with the descriptions."""


@dataclass(frozen=True)
class FoundCard:
    """A card and the file that it comes from.

    `is_foreign` marks cards of timm and transformers, whose models are torch modules and take NCHW.
    """

    card: ModelCard
    file: Path
    is_foreign: bool


def card_beside(model: Path, size: Size | None) -> FoundCard | None:
    """Return the product's own card beside `model`, such as net.card.toml for net.onnx or net.xml.

    `size` is what the model takes, None if it takes any. Raises ModelError.
    """
    for suffix in OWN:
        file = model.with_name(model.stem + suffix)
        if file.is_file():
            return read_card(file, size)
    return None


def card_in_folder(model: Path, size: Size | None) -> FoundCard | None:
    """Return what timm or transformers left in the folder of `model`. Raises ModelError."""
    folders = [model.parent]
    if model.parent.name == EXPORT_FOLDER:
        folders.append(model.parent.parent)
    for folder in folders:
        for name in FOREIGN:
            file = folder / name
            # Other programs use the name config.json, too.
            if file.is_file() and (name == FOREIGN[0] or is_timm(_content(file))):
                return read_card(file, size)
    return None


def read_card(file: Path, size: Size | None) -> FoundCard:
    """Read a card of the product, timm or transformers.

    Raises ModelError saying what is wrong in it.
    """
    content = _content(file)
    is_foreign = True
    try:
        if is_timm(content):
            card = read_timm(content, size)
        elif is_processor(content):
            card = read_processor(content)
        else:
            card, is_foreign = read_own(content), False
    except UsageError as error:
        raise ModelError(f"{file}: {error}") from error
    return FoundCard(card, file, is_foreign)


def _content(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = parse_toml(text) if file.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise ModelError(f"Cannot read the model card {file}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        kind = "TOML" if file.suffix.lower() == ".toml" else "JSON"
        raise ModelError(f"The model card {file} is not {kind}: {error}.") from error
    if not isinstance(content, dict):
        raise ModelError(f"The model card {file} holds no names with values.")
    return content
