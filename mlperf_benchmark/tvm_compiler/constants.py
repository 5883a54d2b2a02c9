"""The arrays that kernels read, and the form in which a model's file holds them."""

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from mlperf_benchmark.tvm_compiler.winograd_weights import transform_weights, transformed_size


@dataclass(frozen=True, eq=False)
class Constant:
    """`stored` is in the file. A kernel reads its elements one after the other, or with `winograd`
    what `transform_weights` makes of weights (O, I, 3, 3) for F(winograd x winograd)."""

    stored: NDArray[Any]
    winograd: int = 0

    @property
    def size(self) -> int:
        """How many elements the kernel reads."""
        return constant_size(self.stored.shape, self.winograd)

    def write(self, place: NDArray[Any]) -> None:
        """What the kernel reads, to `place` of `size` elements."""
        if self.winograd:
            transform_weights(self.stored, self.winograd, place)
        else:
            place[:] = self.stored.reshape(-1)


def constant_size(shape: tuple[int, ...], winograd: int) -> int:
    return transformed_size(winograd, shape) if winograd else math.prod(shape)
