"""The query sample library: the samples that LoadGen wants in memory."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend import SampleLoader
from mlperf_benchmark.core.image_format import Samples


class SampleLibrary:
    """Holds the loaded samples in one contiguous buffer and hands out batches of them."""

    def __init__(self, loader: SampleLoader, total: int) -> None:
        self._loader = loader
        self._rows: NDArray[np.int64] = np.full(total, -1, dtype=np.int64)
        self._buffer: Samples | None = None

    def load(self, indices: Sequence[int]) -> None:
        """Bring the samples into memory, in LoadGen's order, so that batches are slices."""
        # MultiStream pads its set with repeated indices: the first place of each one counts.
        unique = list(dict.fromkeys(indices))
        self._buffer = self._loader(unique)
        self._rows.fill(-1)
        self._rows[unique] = np.arange(len(unique))

    def unload(self, _indices: Sequence[int]) -> None:
        self._buffer = None

    def rows(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """The places of the samples in the buffer, for `batch`."""
        # As an array: numpy would take a tuple for one place in several dimensions.
        rows: NDArray[np.int64] = self._rows[np.asarray(indices)]
        return rows

    def one(self, index: int) -> Samples:
        """A batch of one sample, without a copy."""
        if self._buffer is None:
            raise RuntimeError("LoadGen asked for a sample that it had not loaded")
        row = self._rows[index]
        return self._buffer[row : row + 1]

    def batch(self, rows: NDArray[np.int64]) -> Samples:
        """The samples at `rows`: a view where they are neighbours, a copy where not."""
        if self._buffer is None:
            raise RuntimeError("LoadGen asked for samples that it had not loaded")
        first = rows[0]
        if rows[-1] - first == len(rows) - 1 and (np.diff(rows) == 1).all():
            return self._buffer[first : first + len(rows)]
        return self._buffer[rows]
