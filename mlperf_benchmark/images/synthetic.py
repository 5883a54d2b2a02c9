"""Made-up images, for measuring speed where no data set is at hand."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dataset import Dataset, DatasetConfig, DatasetInfo
from mlperf_benchmark.core.image_format import ImageFormat, Images

DEFAULT_COUNT = 1024
SEED = 20190501


class Synthetic(Dataset):
    """Seeded noise of ImageNet's size, or the user's own model's: the same pixels in every run, and
    no labels.
    """

    image = ImageFormat(
        height=224, width=224, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)
    )
    needs_path = False
    has_labels = False

    def __init__(self, config: DatasetConfig) -> None:
        super().__init__(config)
        self._count = config.count or DEFAULT_COUNT
        if config.preprocessing is not None:
            self.image = config.preprocessing.image

    def prepare(self) -> DatasetInfo:
        return DatasetInfo(
            name="synthetic",
            path=None,
            count=self._count,
            list_sha256="",
            labels_from="none",
            fingerprint=self.fingerprint(),
        )

    def fingerprint(self) -> str:
        size = f"{self.image.height}×{self.image.width}"
        of_size = "" if size == "224×224" else f" of {size}"
        return f"noise of seed {SEED}, {self._count} images{of_size}"

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.zeros(self._count, dtype=np.int64)

    def load(self, indices: Sequence[int]) -> Images:
        samples = np.empty((len(indices), self.image.height, self.image.width, 3), np.uint8)
        for place, index in enumerate(indices):
            generator = np.random.default_rng((SEED, index))
            samples[place] = generator.integers(0, 256, samples.shape[1:], dtype=np.uint8)
        return samples
