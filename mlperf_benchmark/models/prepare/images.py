"""Selects and loads images for calibration, re-estimation and accuracy control."""

import dataclasses
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset import DATASETS, Dataset, DatasetConfig
from mlperf_benchmark.core.errors import DatasetError
from mlperf_benchmark.core.label_list import LabelList
from mlperf_benchmark.core.preprocessing import CustomPreprocessing
from mlperf_benchmark.images.image_files import SUFFIXES, find_images
from mlperf_benchmark.images.label_list import (
    LIST_NAMES,
    find_label_list,
    has_label_list,
)
from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.models.files.calibration_list import (
    CalibrationImage,
    describe_images,
    refuse_calibration_images,
)
from mlperf_benchmark.models.files.description import Calibration
from mlperf_benchmark.models.prepare.model_input import ModelInput

UNLABELLED = 0


@dataclass(frozen=True)
class ImageSelection:
    """Some of the `available` images of a folder.

    `is_labelled` is False if the folder has no labels; `labels` are then all 0.
    """

    folder: Path
    names: tuple[str, ...]
    labels: tuple[int, ...]
    is_labelled: bool
    available: int
    seed: int

    def drawn(self, count: int) -> "ImageSelection":
        """Draw `count` of the images, the same for the same seed.

        Raises DatasetError if there are fewer.
        """
        if not 1 <= count <= len(self.names):
            raise DatasetError(
                f"{count} images were asked for, but {self.folder} holds {len(self.names)}."
            )
        places = range(len(self.names))
        drawn = random.Random(self.seed).sample(places, count)  # noqa: S311 - no secret
        return dataclasses.replace(
            self,
            names=tuple(self.names[place] for place in drawn),
            labels=tuple(self.labels[place] for place in drawn),
        )

    def __str__(self) -> str:
        count = len(self.names)
        every = "" if count == self.available else f" of the {self.available}"
        return f"{count}{every} images in {self.folder}"

    @cached_property
    def contents(self) -> tuple[CalibrationImage, ...]:
        """Return what identifies the images by content. Raises DatasetError."""
        try:
            return describe_images(self.folder, self.names)
        except OSError as error:
            raise DatasetError(f"Cannot read {error.filename}: {error.strerror}.") from error

    def description(self) -> Calibration:
        """Return the entry for a model description."""
        text = "".join(map(str, self.contents)).encode(errors="surrogateescape")
        digest = hashlib.sha256(text).hexdigest()
        return Calibration(str(self.folder), len(self.names), digest, self.seed)

    def refuse_overlap(self, evaluation: Path) -> None:
        """Raise DatasetError if the folder `evaluation` contains one of the images."""
        found = _find(evaluation).names
        refuse_calibration_images(self.contents, [evaluation / name for name in found])
        tell(f"None of them is among the {len(found)} images in {evaluation}.")


def select_images(folder: Path, count: int | None, seed: int) -> ImageSelection:
    """Draw `count` images (None: all) of a folder with or without labels, the same for the same
    seed.

    Raises DatasetError for a folder that is missing, empty or smaller than `count`.
    """
    found = _find(folder)
    available = len(found.names)
    if available == 0:
        raise DatasetError(f"The folder {folder} holds no images ({', '.join(SUFFIXES)}).")
    every = ImageSelection(
        folder, found.names, found.labels, has_label_list(folder), available, seed
    )
    return every if count is None else every.drawn(count)


def _find(folder: Path) -> LabelList:
    if not folder.is_dir():
        raise DatasetError(f"The image folder {folder} does not exist.")
    if has_label_list(folder):
        return find_label_list(folder, None, None)
    names = find_images(folder)
    return LabelList(tuple(names), (UNLABELLED,) * len(names), folder)


def select_labelled(folder: Path, seed: int) -> ImageSelection:
    """Select all images of a folder that contains their classes. Raises DatasetError."""
    selection = select_images(folder, None, seed)
    if not selection.is_labelled:
        raise DatasetError(
            f"The images of {folder} have no labels to measure top-1 with: put"
            f" {' or '.join(LIST_NAMES)} beside them."
        )
    return selection


def load_images(
    selection: ImageSelection,
    dataset: str,
    cache_dir: Path,
    preprocessing: CustomPreprocessing | None = None,
) -> ModelInput:
    """Preprocess the images as `dataset` or `preprocessing` says and write them to the cache.

    Returns the model's input, which is read from the cache. Raises DatasetError naming the images
    that cannot be read.
    """
    samples = LabelList(selection.names, selection.labels, selection.folder)
    images: Dataset = DATASETS.load(dataset)(
        DatasetConfig(
            selection.folder, None, cache_dir, samples=samples, preprocessing=preprocessing
        )
    )
    images.prepare()

    def load(indices: Sequence[int]) -> NDArray[np.float32]:
        normalised = images.image.normalise(images.load(indices))
        return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))

    return ModelInput(len(selection.names), load)
