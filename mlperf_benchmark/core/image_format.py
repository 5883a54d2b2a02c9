"""The form in which a data set hands an image to a backend."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
"""uint8 pixels, RGB, shape (batch, height, width, 3), C-contiguous."""

Samples = NDArray[Any]
"""LoadGen's samples in memory, shape (batch, …): `Images`, or whatever else a backend takes."""

Scores = NDArray[np.float32]
"""float32 class scores, shape (batch, classes); or the class indices, shape (batch,), of a model
that takes the ArgMax itself."""


@dataclass(frozen=True)
class ImageFormat:
    """Resized, cropped uint8 RGB pixels and the normalisation that the model still needs.

    A backend computes `(pixel - mean) / std` per channel itself, as part of the timed model:
    samples then take a quarter of the memory of float32 ones. `mean` and `std` are RGB, in
    units of 0 to 255.
    """

    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def normalise(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """`(pixels - mean) / std` of RGB pixels whose last axis is the channel."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        normalised: NDArray[np.float32] = (pixels.astype(np.float32) - mean) / std
        return normalised

    def noise(self, count: int) -> Images:
        """`count` images of random pixels, always the same, to measure speed with."""
        shape = (count, self.height, self.width, 3)
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def padded(images: Images, count: int) -> Images:
    """The images, and black ones up to `count`; the array itself where it has as many."""
    missing = count - len(images)
    if missing <= 0:
        return images
    return np.concatenate((images, np.zeros((missing, *images.shape[1:]), images.dtype)))
