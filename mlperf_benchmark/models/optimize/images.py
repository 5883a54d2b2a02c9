"""What is calibrated with, in memory or read when it is asked for."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Images(Protocol):
    """Normalised float32 images (3, height, width), one after the other, as often as wanted.

    An array (count, 3, height, width) is one, too.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[np.float32]: ...

    def __iter__(self) -> Iterator[NDArray[np.float32]]: ...
