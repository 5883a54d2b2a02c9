"""Images to calibrate, re-estimate and control accuracy with."""

import hashlib
import random
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from dataset import DATASETS, Dataset, DatasetConfig
from mlperf_benchmark.core.errors import DatasetError
from mlperf_benchmark.images.label_list import (
    LIST_NAMES,
    LabelList,
    find_label_list,
    has_label_list,
)
from mlperf_benchmark.models.files.calibration_list import (
    CalibrationImage,
    describe_images,
    refuse_calibration_images,
)
from mlperf_benchmark.models.files.description import Calibration

SUFFIXES = (".jpeg", ".jpg", ".png")
UNLABELLED = 0


@dataclass(frozen=True)
class ImageSelection:
    """Some images of a folder. `is_labelled` False: the folder does not tell `labels`, all 0."""

    folder: Path
    names: tuple[str, ...]
    labels: tuple[int, ...]
    is_labelled: bool
    seed: int

    @cached_property
    def contents(self) -> tuple[CalibrationImage, ...]:
        """What tells the images apart."""
        return describe_images(self.folder, self.names)

    def description(self) -> Calibration:
        """What a model description says of it."""
        text = "".join(map(str, self.contents)).encode(errors="surrogateescape")
        digest = hashlib.sha256(text).hexdigest()
        return Calibration(str(self.folder), len(self.names), digest, self.seed)

    def refuse_overlap(self, evaluation: Path) -> None:
        """Raise DatasetError when an image is in the folder `evaluation` as well."""
        refuse_calibration_images(
            self.contents, [evaluation / name for name in _find(evaluation).names]
        )


def select_images(folder: Path, count: int | None, seed: int) -> ImageSelection:
    """Draw `count` images (None: all) of a labelled or plain folder, the same for a seed.

    Raises DatasetError for a folder that is missing, empty or smaller than `count`.
    """
    found = _find(folder)
    is_labelled = has_label_list(folder)
    available = len(found.names)
    if available == 0:
        raise DatasetError(f"The folder {folder} holds no images ({', '.join(SUFFIXES)}).")
    if count is not None and not 1 <= count <= available:
        raise DatasetError(f"{count} images were asked for, but {folder} holds {available}.")
    if count is None:
        return ImageSelection(folder, found.names, found.labels, is_labelled, seed)
    drawn = random.Random(seed).sample(range(available), count)  # noqa: S311 - no secret
    return ImageSelection(
        folder,
        tuple(found.names[index] for index in drawn),
        tuple(found.labels[index] for index in drawn),
        is_labelled,
        seed,
    )


def _find(folder: Path) -> LabelList:
    if not folder.is_dir():
        raise DatasetError(f"The image folder {folder} does not exist.")
    if has_label_list(folder):
        return find_label_list(folder, None, None)
    files = (file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    names = sorted(str(file.relative_to(folder)) for file in files if file.is_file())
    return LabelList(tuple(names), (UNLABELLED,) * len(names), folder)


def select_labelled(folder: Path, seed: int) -> ImageSelection:
    """All images of a folder that tells their classes. Raises DatasetError."""
    selection = select_images(folder, None, seed)
    if not selection.is_labelled:
        raise DatasetError(
            f"The images of {folder} have no labels to measure top-1 with: put"
            f" {' or '.join(LIST_NAMES)} beside them."
        )
    return selection


def load_images(selection: ImageSelection, dataset: str, cache_dir: Path) -> NDArray[np.float32]:
    """Preprocess the images as the data set `dataset` does.

    Returns the model's input, normalised float32 (count, 3, height, width). Raises DatasetError
    naming the images that cannot be read.
    """
    with TemporaryDirectory() as folder:
        image_list = Path(folder) / f"{selection.folder.name}.txt"
        pairs = zip(selection.names, selection.labels, strict=True)
        text = "".join(f"{name} {label}\n" for name, label in pairs)
        image_list.write_bytes(text.encode(errors="surrogateescape"))
        config = DatasetConfig(selection.folder, image_list, cache_dir, None)
        opened: Dataset = DATASETS.load(dataset)(config)
        with closing(opened) as images:
            images.prepare()
            pixels = images.load(range(len(selection.names)))
    return np.ascontiguousarray(images.image.normalise(pixels).transpose(0, 3, 1, 2))
