"""Calibration images, in memory or read on demand."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Images(Protocol):
    """A sequence of normalised float32 images (3, height, width) that can be iterated repeatedly.

    An array (count, 3, height, width) is also one.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[np.float32]: ...

    def __iter__(self) -> Iterator[NDArray[np.float32]]: ...
