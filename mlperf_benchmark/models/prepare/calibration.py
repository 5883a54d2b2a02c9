"""The images for re-estimating batch norm and finding INT8 ranges."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.preprocessing import CustomPreprocessing
from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.models.files.calibration_list import CalibrationImage
from mlperf_benchmark.models.files.description import Calibration
from mlperf_benchmark.models.prepare.images import ImageSelection, load_images, select_images
from mlperf_benchmark.models.prepare.model_input import ModelInput

CALIBRATION_NEEDED = (
    "Pruning and INT8 need --calibration-path DIR: a hundred or more images as the model will see"
    " them, none of them an evaluation image."
)
NOISE_COUNT = 32
FEW = 32
# Standard deviation of normalised values; a step between two pixel values is about 0.01.
BLANK = 1e-3


class TakesImages(Protocol):
    """A model with its image size and its preprocessing, which `dataset` or the user's
    own defines.
    """

    @property
    def dataset(self) -> str | None: ...

    @property
    def preprocessing(self) -> CustomPreprocessing | None: ...

    @property
    def input_size(self) -> int: ...


@dataclass(frozen=True)
class CalibrationSource:
    """Where calibration images come from. `count` None stands for all images."""

    path: Path | None
    count: int | None
    evaluation_path: Path | None
    seed: int
    cache_dir: Path


@dataclass(frozen=True)
class CalibrationImages:
    """The images and how a model description identifies them. `contents` is empty for noise.

    `labels` are their class indices, or None if the folder does not contain any.
    """

    images: ModelInput
    description: Calibration
    contents: tuple[CalibrationImage, ...]
    labels: tuple[int, ...] | None = None

    def doubts(self) -> list[str]:
        """Return reasons why ranges and statistics from these images may be wrong for others."""
        if not self.contents:
            return []
        different = len({image.sha256 for image in self.contents})
        blank = sum(bool(image.std(axis=(1, 2)).max() < BLANK) for image in self.images)
        doubts = []
        if different < FEW:
            doubts.append(
                f"{different} different calibration image{'' if different == 1 else 's'} may not "
                f"show what values the model meets: accuracy may suffer. A hundred or more are "
                f"usual (--calibration-path)."
            )
        if blank:
            doubts.append(
                f"{blank} of {len(self.images)} calibration images are of one colour and say "
                "nothing about real ones: accuracy may suffer. Take them out of --calibration-path."
            )
        return doubts


def load_calibration(
    source: CalibrationSource,
    model: TakesImages,
    *,
    random_weights: bool,
) -> CalibrationImages:
    """Load the calibration images, or noise for random weights, which never saw images.

    Raises UsageError if required images are not given, and DatasetError.
    """
    if source.path is None:
        if not random_weights:
            raise UsageError(CALIBRATION_NEEDED)
        count = source.count or NOISE_COUNT
        size = model.input_size

        def noise(indices: Sequence[int]) -> NDArray[np.float32]:
            generators = [np.random.default_rng((source.seed, index)) for index in indices]
            return np.stack(
                [one.standard_normal((3, size, size), np.float32) for one in generators]
            )

        description = Calibration(None, count, None, source.seed)
        return CalibrationImages(ModelInput(count, noise), description, ())
    selection = select_images(source.path, source.count, source.seed)
    tell(f"Calibration from {selection}.")
    if source.evaluation_path is not None:
        selection.refuse_overlap(source.evaluation_path)
    return calibration_images(selection, model, source.cache_dir)


def calibration_images(
    selection: ImageSelection, model: TakesImages, cache_dir: Path
) -> CalibrationImages:
    """Load `selection` in the preprocessing of `model`. Raises DatasetError."""
    assert model.dataset is not None
    images = load_images(selection, model.dataset, cache_dir, model.preprocessing)
    labels = selection.labels if selection.is_labelled else None
    return CalibrationImages(images, selection.description(), selection.contents, labels)
