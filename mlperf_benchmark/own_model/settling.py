"""Completes the configuration of a run of the user's own model from its card and its file."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from backend import Remark
from dataset import DATASETS, image_format
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.files import Hashes
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.core.parser import flag
from mlperf_benchmark.core.preprocessing import CUSTOM, CustomPreprocessing, ModelCard
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.models.files.cards.finding import (
    FoundCard,
    card_beside,
    card_in_folder,
    read_card,
)
from mlperf_benchmark.models.files.description import description_path, read_description
from mlperf_benchmark.models.files.image_input import ImageInput, image_input

OPTIONS = "the command line"
BORDERS = (
    "The images are resized to less than their crop and get black borders ({steps}): raise "
    "--resize, or leave it out, where that is not meant."
)


@dataclass(frozen=True)
class OwnModel:
    """What is known of a model before it is loaded, and the `remarks` to show about it.

    `dataset` is the one that the model's description names, if it names one, rather than the one
    asked for. `is_told` is False if all of the preprocessing had to be assumed.
    """

    dataset: str
    preprocessing: CustomPreprocessing | None
    card: ModelCard
    remarks: tuple[Remark, ...] = ()
    is_told: bool = True

    @property
    def image(self) -> ImageFormat:
        """The format of the images that the model takes."""
        return image_format(self.dataset, self.preprocessing)


def settled(
    config: RunConfig, hashes: Hashes | None = None
) -> tuple[RunConfig, tuple[Remark, ...]]:
    """Return the configuration with the preprocessing that was requested, found or assumed.

    Configurations for other models are returned unchanged. `hashes` keeps the sums of the model's
    files. Raises UsageError or one of its subclasses.
    """
    if not config.is_own_model:
        return config, ()
    found = own_model(
        config.model,
        config.card or ModelCard(),
        config.model_card,
        dataset=config.dataset,
        inputs=config.inputs,
        layout=config.data_format,
        hashes=hashes,
    )
    card = found.card
    complete = dataclasses.replace(
        config,
        dataset=found.dataset,
        preprocessing=found.preprocessing,
        inputs=config.inputs or card.inputs or (),
        outputs=config.outputs or card.outputs or (),
        data_format=config.data_format or card.layout,
        labels_offset=config.labels_offset
        if config.labels_offset is not None
        else card.labels_offset,
    )
    return complete, found.remarks


def own_model(
    model: Path | None,
    given: ModelCard,
    card_file: Path | None,
    *,
    dataset: str = CUSTOM,
    inputs: tuple[str, ...] = (),
    layout: str | None = None,
    hashes: Hashes | None = None,
) -> OwnModel:
    """Combine what is known about the model's input and the preprocessing of its images.

    `given`, from the command line, takes precedence over `card_file`, then the card beside the file
    `model`, then what prepare.py, transformers or timm left beside it.

    Raises ModelError or UsageError.
    """
    has_images = dataset == CUSTOM
    takes = _takes(model, inputs, layout)
    found = _card(model, card_file, takes)
    described = None
    if found is None and model is not None:
        described = read_description(model, hashes) if model.is_file() else None
        if described is not None and described.card is not None:
            found = FoundCard(described.card, description_path(model), is_foreign=False)
        elif has_images and described and not given.said and described.dataset in _named():
            # A model that was prepared here: the description names its preprocessing.
            return OwnModel(described.dataset, None, given)
        elif not given.tells_all(takes.takes_bytes):
            found = card_in_folder(model, takes.size)
    read = found.card if found else ModelCard()
    if found and found.is_foreign and not takes.is_clear:
        read = dataclasses.replace(read, layout="NCHW")
    if read.inputs or read.layout:
        takes = _takes(model, inputs or read.inputs or (), layout or read.layout)
    elif takes.layout:
        read = dataclasses.replace(read, layout=takes.layout)
    if described is not None and takes.size is None:
        # A state dict does not tell it.
        takes = dataclasses.replace(takes, size=(described.input_size, described.input_size))
    card = given.over(read)
    _refuse_unused(given, takes)
    preprocessing, assumed = card.complete(takes.size, takes.takes_bytes, _source(given, found))
    if assumed:
        source = f"{preprocessing.source}; assumed: {', '.join(assumed)}"
        preprocessing = dataclasses.replace(preprocessing, source=source)
    remarks = []
    if assumed and has_images:
        remarks.append(_assumption(model, assumed))
    if has_images and preprocessing.has_borders:
        remarks.append(Remark(BORDERS.format(steps=preprocessing.steps), is_doubtful=True))
    is_told = bool(given.said or found)
    return OwnModel(dataset, preprocessing, card, tuple(remarks), is_told)


def _named() -> set[str]:
    """Return the data sets whose names determine the preprocessing."""
    return {*DATASETS.names()} - {CUSTOM}


def _takes(model: Path | None, inputs: tuple[str, ...], layout: str | None) -> ImageInput:
    return image_input(model, inputs, layout) if model else ImageInput()


def _card(model: Path | None, card_file: Path | None, takes: ImageInput) -> FoundCard | None:
    if card_file is not None:
        return read_card(card_file, takes.size)
    return card_beside(model, takes.size) if model is not None else None


def _source(given: ModelCard, found: FoundCard | None) -> str:
    parts = [OPTIONS] if given.said else []
    parts += [str(found.file)] if found else []
    return ", ".join(parts) or "neither options nor a card"


def _refuse_unused(given: ModelCard, takes: ImageInput) -> None:
    for name in ("mean", "std", "rescale_factor"):
        if takes.takes_bytes and getattr(given, name) is not None:
            raise UsageError(
                f"{flag(name)} does not apply: the model takes bytes and normalises them itself."
            )


def _assumption(model: Path | None, assumed: tuple[str, ...]) -> Remark:
    place = f", or in {model.stem}.card.toml" if model else ""
    return Remark(
        f"The preprocessing is assumed where it was not given: {', '.join(assumed)}. Accuracy "
        "suffers if the model was trained with another: give it with --resize, --interpolation, "
        f"--mean, --std{place}.",
        is_doubtful=True,
    )
