"""How a value is stored in its flat buffer: in channel blocks, with a border for the next
operator.
"""

from dataclasses import dataclass, replace
from typing import Any

LANES = 16
"""Channels per block. One AVX-512 register of float32; LLVM splits it for narrower targets."""

Halo = tuple[int, int, int, int]


@dataclass(frozen=True)
class View:
    """[N][channel block][top + H + bottom][left + W + right][block], elements of `dtype`.

    The halo (top, left, bottom, right) holds `fill` so that a convolution with padding reads
    its input without testing for borders; whoever writes the value writes the halo as well.
    Channels past `channels` in the last block hold finite but meaningless numbers.

    `interleaved` values, of one pixel an image, lie as [channel block][N][block]: a classifier
    then reads a batch as it reads a row of pixels.
    """

    batch: int
    channels: int
    height: int
    width: int
    dtype: str
    block: int = LANES
    halo: Halo = (0, 0, 0, 0)
    fill: float = 0.0
    interleaved: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape (N, C, H, W)."""
        return self.batch, self.channels, self.height, self.width

    @property
    def blocks(self) -> int:
        return -(-self.channels // self.block)

    @property
    def row_stride(self) -> int:
        return (self.halo[1] + self.width + self.halo[3]) * self.block

    @property
    def block_stride(self) -> int:
        if self.interleaved:
            return self.batch * self.block
        return (self.halo[0] + self.height + self.halo[2]) * self.row_stride

    @property
    def image_stride(self) -> int:
        if self.interleaved:
            return self.block
        return self.blocks * self.block_stride

    @property
    def size(self) -> int:
        """The number of elements in the buffer."""
        if self.interleaved:
            return self.blocks * self.block_stride
        return self.batch * self.image_stride

    def as_row(self) -> "View":
        """Return the memory of an interleaved value as one image whose pixels are the images."""
        if not self.interleaved:
            return self
        return replace(self, batch=1, width=self.batch, interleaved=False)

    def offset(self, n: Any, block: Any, y: Any, x: Any) -> Any:
        """Return the index of channel 0 of a pixel; y and x may reach into the halo, from -top and
        -left.
        """
        row = (y + self.halo[0]) * self.row_stride
        column = (x + self.halo[1]) * self.block
        return n * self.image_stride + block * self.block_stride + row + column
