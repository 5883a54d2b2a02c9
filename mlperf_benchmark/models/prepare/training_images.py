"""Random crops of a training folder, determined by seed, epoch and image."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlperf_benchmark.core.errors import DatasetError
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.images.decoding import UnreadableImageError, read_rgb

AREA = (0.25, 1.0)
ASPECT = (3 / 4, 4 / 3)
TRIES = 10


@dataclass(frozen=True)
class TrainingImages:
    """The files to train on and how their crops are normalised, in `channel_order`.

    A crop's area and aspect ratio are drawn as in the training of Inception,
    https://arxiv.org/abs/1409.4842, and half of the crops are mirrored; areas below a quarter are
    left to longer trainings.
    """

    files: Sequence[Path]
    image: ImageFormat
    seed: int
    channel_order: str = "RGB"

    def batches(self, epoch: int, batch_size: int, workers: int) -> Iterator[Tensor]:
        """Yield normalised float32 batches (batch, 3, height, width) in a drawn order.

        An incomplete last batch is left out. Raises DatasetError for an unreadable image.
        """
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.files))
        count = self.batch_count(batch_size)
        portions = [order[number * batch_size :][:batch_size] for number in range(count)]
        with ThreadPoolExecutor(workers) as pool:
            # One batch is decoded while the previous one is used for training.
            pending = deque[list[Future[Tensor]]]()
            for portion in portions:
                pending.append([pool.submit(self._crop, epoch, int(index)) for index in portion])
                if len(pending) > 1:
                    yield torch.stack([crop.result() for crop in pending.popleft()])
            for crops in pending:
                yield torch.stack([crop.result() for crop in crops])

    def batch_count(self, batch_size: int) -> int:
        """Return the number of batches per epoch."""
        return max(1, len(self.files) // batch_size)

    def _crop(self, epoch: int, index: int) -> Tensor:
        try:
            pixels = read_rgb(self.files[index])
        except UnreadableImageError as error:
            raise DatasetError(f"Cannot train on {self.files[index]}: {error}.") from None
        random = np.random.default_rng((self.seed, epoch, index))
        crop = _random_crop(pixels, random)
        size = (self.image.width, self.image.height)
        shrinks = crop.shape[0] > self.image.height and crop.shape[1] > self.image.width
        resized = cv2.resize(
            crop, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
        if random.random() < 0.5:
            resized = resized[:, ::-1]
        if self.channel_order != "RGB":
            resized = resized[..., ::-1]
        normalised = self.image.normalise(resized)
        return torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1)))


def _random_crop(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    for _ in range(TRIES):
        area = height * width * random.uniform(*AREA)
        aspect = np.exp(random.uniform(*np.log(ASPECT)))
        crop_width, crop_height = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if 0 < crop_width <= width and 0 < crop_height <= height:
            top = int(random.integers(height - crop_height + 1))
            left = int(random.integers(width - crop_width + 1))
            return pixels[top : top + crop_height, left : left + crop_width]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]
