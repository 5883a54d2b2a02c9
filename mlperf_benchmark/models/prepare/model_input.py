"""Images as a model takes them, loaded on demand so that memory use does not grow."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BATCH = 50


@dataclass(frozen=True)
class ModelInput:
    """`count` normalised float32 images (3, height, width), the same in every pass.

    `load` returns the images of the given indices, (indices, 3, height, width).
    """

    count: int
    load: Callable[[Sequence[int]], NDArray[np.float32]]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        if not 0 <= index < self.count:
            raise IndexError(f"image {index} of {self.count}")
        image: NDArray[np.float32] = self.load([index])[0]
        return image

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for part in self.portions():
            yield from part

    def portions(self) -> Iterator[NDArray[np.float32]]:
        """Yield the images in order, at most BATCH at a time.

        All portions are of nearly the same size, because the statistics of batch norm are averages
        over portions: a last portion of one image would count as much as one of BATCH.
        """
        number = -(-self.count // BATCH)
        for place in range(number):
            first, last = (self.count * edge // number for edge in (place, place + 1))
            yield self.load(range(first, last))


@dataclass(frozen=True)
class Batches:
    """The portions of a model input as tensors."""

    images: ModelInput

    def __iter__(self) -> Iterator[Tensor]:
        return map(torch.from_numpy, self.images.portions())


@dataclass(frozen=True)
class LabelledBatches:
    """The portions as tensors with their class indices, one per image."""

    images: ModelInput
    labels: Sequence[int]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        first = 0
        for images in Batches(self.images):
            yield images, torch.tensor(self.labels[first : first + len(images)])
            first += len(images)
