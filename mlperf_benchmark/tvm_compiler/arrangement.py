"""How a tensor of the model is read out of a value (N, C, H, W): reshaped, transposed or sliced.

A transposition costs nothing as long as only its arrangement changes: a model with channels last,
or one of tokens (N, tokens, C), is computed in the channel blocks of its values. Attention reads
its heads so, and a channel shuffle is a copy.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

CHANNELS = 1
SPATIAL = (2, 3)

Shape = tuple[int, ...]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Factor:
    """`extent` positions along `axis` of (N, C, H, W), `stride` apart."""

    axis: int
    stride: int
    extent: int


Dimension = tuple[Factor, ...]
"""Factors of one dimension of a tensor, the outermost first; none where its extent is 1."""


@dataclass(frozen=True)
class Arranged:
    """A tensor with these dimensions, starting at position `start` of (N, C, H, W) of `value`.

    Its numbers are those of the value times `factor`.
    """

    value: str
    dims: tuple[Dimension, ...]
    start: tuple[int, int, int, int] = (0, 0, 0, 0)
    factor: float = 1.0

    @property
    def shape(self) -> Shape:
        return tuple(extent(dim) for dim in self.dims)

    def covers(self, shape: Shape) -> bool:
        """Whether the tensor has all numbers of a value of this shape, unchanged."""
        return self.factor == 1.0 and int(np.prod(self.shape)) == int(np.prod(shape))

    def scaled(self, number: float) -> "Arranged":
        return replace(self, factor=self.factor * number)

    def is_channels(self, dim: int, count: int) -> bool:
        """Whether only this dimension runs over channels, and over all `count` of them."""
        others = (f for i, d in enumerate(self.dims) if i != dim % len(self.dims) for f in d)
        exact = self.dims[dim] == _whole(CHANNELS, count)
        return exact and not any(factor.axis == CHANNELS for factor in others)

    def with_dim(self, dim: int, factors: Dimension) -> "Arranged":
        dims = list(self.dims)
        dims[dim] = factors
        return replace(self, dims=tuple(dims))

    def permuted(self, axes: list[int]) -> "Arranged":
        return replace(self, dims=tuple(self.dims[axis] for axis in axes))

    def reshaped(self, shape: Shape) -> "Arranged | None":
        """Return the reshaped tensor, or None if this would divide a factor in a way factors cannot
        express.
        """
        left = [factor for dim in self.dims for factor in dim]
        dims = []
        for count in shape:
            taken: list[Factor] = []
            wanted = count
            while wanted > 1:
                factor = left.pop(0)
                if wanted % factor.extent == 0:
                    taken.append(factor)
                    wanted //= factor.extent
                    continue
                if factor.extent % wanted:
                    return None
                inner = factor.extent // wanted
                taken.append(Factor(factor.axis, factor.stride * inner, wanted))
                left.insert(0, Factor(factor.axis, factor.stride, inner))
                wanted = 1
            dims.append(merged(taken))
        return replace(self, dims=tuple(dims))

    def sliced(self, dim: int, first: int, count: int, step: int = 1) -> "Arranged | None":
        """Return `count` positions of a dimension, or None if its factors would have to be cut."""
        if self.dims[dim] == ():
            return self
        outer, inner = self.dims[dim][0], self.dims[dim][1:]
        size = extent(inner)
        if size > 1 and (step != 1 or first % size or count % size):
            return None
        start = list(self.start)
        start[outer.axis] += first // size * outer.stride
        part = Factor(outer.axis, outer.stride * step, count // size)
        n, c, h, w = start
        return replace(self.with_dim(dim, merged([part, *inner])), start=(n, c, h, w))

    def without(self, dim: int) -> "Arranged":
        """Return the tensor without a dimension of extent 1."""
        return replace(self, dims=tuple(d for i, d in enumerate(self.dims) if i != dim))

    def positions(self, axis: int, dim: int) -> Indices:
        """Return the positions on `axis` of the elements of a dimension with factors of only that
        axis.
        """
        places = np.full(1, self.start[axis], np.int64)
        for factor in self.dims[dim]:
            places = (places[:, np.newaxis] + factor.stride * np.arange(factor.extent)).reshape(-1)
        return places

    def index_of(self, coordinates: tuple[Indices, ...], dim: int) -> Indices:
        """Return the index along a dimension of elements of the value, given as N, C, H, W."""
        index = np.zeros((), np.int64)
        for factor in self.dims[dim]:
            digit = coordinates[factor.axis] // factor.stride % factor.extent
            index = index * factor.extent + digit
        return np.asarray(index)


def extent(dim: Dimension) -> int:
    return int(np.prod([factor.extent for factor in dim], dtype=np.int64))


def merged(factors: list[Factor] | Dimension) -> Dimension:
    """Return the shortest equivalent list of factors."""
    result: list[Factor] = []
    for factor in factors:
        if factor.extent == 1:
            continue
        last = result[-1] if result else None
        if last and last.axis == factor.axis and last.stride == factor.stride * factor.extent:
            result[-1] = Factor(factor.axis, factor.stride, last.extent * factor.extent)
        else:
            result.append(factor)
    return tuple(result)


def plain(value: str, shape: Shape) -> Arranged:
    """Return a value (N, C, H, W) or (N, C) as a tensor, unchanged."""
    return Arranged(value, tuple(_whole(axis, count) for axis, count in enumerate(shape)))


def natural(tensor: Shape, channels: int) -> tuple[Shape, tuple[Dimension, ...]]:
    """Return the shape (N, C, H, W) of a value that holds a tensor, and the tensor's dimensions in
    it.

    The first dimension is N, `channels` is C, the others are H and W, or together W.
    """
    spatial = [dim for dim in range(1, len(tensor)) if dim != channels]
    dims: list[Dimension] = [()] * len(tensor)
    dims[0] = _whole(0, tensor[0])
    dims[channels] = _whole(CHANNELS, tensor[channels])
    if len(spatial) == 2:
        height, width = (tensor[dim] for dim in spatial)
        for axis, dim in zip(SPATIAL, spatial, strict=True):
            dims[dim] = _whole(axis, tensor[dim])
        return (tensor[0], tensor[channels], height, width), tuple(dims)
    stride = 1
    for dim in reversed(spatial):
        dims[dim] = merged([Factor(3, stride, tensor[dim])])
        stride *= tensor[dim]
    return (tensor[0], tensor[channels], 1, stride), tuple(dims)


def likely_channels(arranged: Arranged) -> int:
    """Return the dimension that holds most of the channels of the value."""
    rank = len(arranged.dims)
    counts = [extent(tuple(f for f in dim if f.axis == CHANNELS)) for dim in arranged.dims]
    best = max(range(1, rank), key=lambda dim: counts[dim])
    if counts[best] > 1:
        return best
    return usual_channels(rank)


def usual_channels(rank: int) -> int:
    """Return the usual channel dimension of (N, C, H, W), (N, C) and (N, tokens, C)."""
    return rank - 1 if rank == 3 else 1


def _whole(axis: int, count: int) -> Dimension:
    return merged([Factor(axis, 1, count)])
