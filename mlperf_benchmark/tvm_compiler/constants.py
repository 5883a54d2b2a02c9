"""The arrays that kernels read, and how a model's file stores them."""

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from mlperf_benchmark.tvm_compiler.winograd_weights import transform_weights, transformed_size


@dataclass(frozen=True, eq=False)
class Constant:
    """An array of the file, `stored`. A kernel reads its elements in order or, with `winograd`, the
    result of `transform_weights` for F(winograd x winograd) on weights (O, I, 3, 3).
    """

    stored: NDArray[Any]
    winograd: int = 0

    @property
    def size(self) -> int:
        """The number of elements that the kernel reads."""
        return constant_size(self.stored.shape, self.winograd)

    def write(self, place: NDArray[Any]) -> None:
        """Write what the kernel reads to `place`, which has `size` elements."""
        if self.winograd:
            transform_weights(self.stored, self.winograd, place)
        else:
            place[:] = self.stored.reshape(-1)


def constant_size(shape: tuple[int, ...], winograd: int) -> int:
    return transformed_size(winograd, shape) if winograd else math.prod(shape)
