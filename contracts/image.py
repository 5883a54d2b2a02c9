"""The form in which a data set hands an image to a backend."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
"""uint8 pixels, RGB, shape (batch, height, width, 3), C-contiguous."""

Scores = NDArray[np.float32]
"""float32 class scores, shape (batch, classes)."""


@dataclass(frozen=True)
class ImageFormat:
    """Resized, cropped uint8 RGB pixels and the normalisation that the model still wants.

    A backend computes `(pixel - mean) / std` per channel itself, as part of the timed model:
    samples then take a quarter of the memory of float32 ones. `mean` and `std` are RGB, in
    units of 0 to 255.
    """

    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
