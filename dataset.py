"""The contract that every data set fulfils, and the data sets by name.

To add a data set, write one module with a subclass of `Dataset` and add one line to `DATASETS`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.image_format import ImageFormat, Samples
from mlperf_benchmark.core.label_list import LabelList
from mlperf_benchmark.core.preprocessing import CustomPreprocessing
from mlperf_benchmark.core.registry import Registry

DATASETS = Registry(
    "data set",
    {
        "imagenet": "imagenet:ImageNetVgg",
        "imagenet_pytorch": "imagenet:ImageNetPytorch",
        "custom": "imagenet:ImageNetCustom",
        "imagenet_deit": "imagenet:ImageNetDeiT",
        "imagenet_efficientnet_lite": "imagenet:ImageNetEfficientNetLite",
        "imagenet_efficientnet_lite1": "imagenet:ImageNetEfficientNetLite1",
        "imagenet_efficientnet_lite2": "imagenet:ImageNetEfficientNetLite2",
        "synthetic": "mlperf_benchmark.images.synthetic:Synthetic",
    },
    group="mlperf_benchmark.datasets",
)


@dataclass(frozen=True)
class DatasetConfig:
    """Where the images are. `image_list` None means: look for the usual files in `path`.

    `samples` is what a list would say, where that is known already.
    `encoded`: wanted are the files as they are; nothing is preprocessed.
    `preprocessing` is for data sets that leave it to the user.
    """

    path: Path | None = None
    image_list: Path | None = None
    cache_dir: Path = Path("cache")
    count: int | None = None
    encoded: bool = False
    samples: LabelList | None = None
    preprocessing: CustomPreprocessing | None = None


@dataclass(frozen=True)
class DatasetInfo:
    """What was found. `list_sha256` is of the "name label" lines in use, one a sample.

    `fingerprint` is the data set's: what was read from other files, or in another way, has another.
    `preprocessing` is the user's own, None where the data set's name tells it. Results of early
    versions have neither.
    """

    name: str
    path: str | None
    count: int
    list_sha256: str
    labels_from: str
    fingerprint: str = ""
    preprocessing: CustomPreprocessing | None = None


class Dataset(ABC):
    """Labelled images. Sample `i` is line `i` of the label list, always.

    Life cycle: construct, `prepare`, then `load`. `needs_path` is False for data that are made
    up, `has_labels` where labels mean nothing and accuracy cannot be measured.
    """

    image: ImageFormat
    needs_path: ClassVar[bool] = True
    has_labels: ClassVar[bool] = True

    def __init__(self, config: DatasetConfig) -> None:
        self.config = config

    @abstractmethod
    def prepare(self) -> DatasetInfo:
        """Read the list and preprocess what the cache does not hold yet.

        Raises DatasetError naming the images that are missing or unreadable.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Tells apart whatever changes a sample, without reading one; `prepare` need not come
        first. Raises DatasetError naming the images that are missing.
        """

    @property
    @abstractmethod
    def labels(self) -> NDArray[np.int64]:
        """Class indices, 0-based, one a sample."""

    @property
    def names(self) -> Sequence[str]:
        """One a sample, by which users know it; none for data that are made up."""
        return ()

    @abstractmethod
    def load(self, indices: Sequence[int]) -> Samples:
        """Read the samples into a new contiguous array, in the order of `indices`.

        `Images`; where `encoded` files are wanted, an object array of their bytes.
        Raises CacheError when what was preprocessed is damaged.
        """

    def close(self) -> None:
        """Remove what is of no use to another run."""


def image_format(name: str, preprocessing: CustomPreprocessing | None = None) -> ImageFormat:
    """Of the images of the data set `name`; `preprocessing` is the user's own, as above."""
    if preprocessing is not None:
        return preprocessing.image
    image: ImageFormat = DATASETS.load(name).image
    return image
