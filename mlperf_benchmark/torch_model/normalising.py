"""The normalisation, as part of the timed model."""

import numpy as np
import torch
from torch import Tensor, nn

from mlperf_benchmark.core.image_format import ImageFormat


class Normalising(nn.Module):
    """`module` behind the normalisation: uint8 images (batch, height, width, 3) to float32 scores.

    `layout` and `kind` are those of the module's own input; one of bytes normalises itself.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, module: nn.Module, image: ImageFormat, layout: str, kind: torch.dtype
    ) -> None:
        super().__init__()
        # Not by eval(), which exported programs do not have.
        self.training = False
        self.module = module
        shape = (1, 3, 1, 1) if layout == "NCHW" else (1, 1, 1, 3)
        self._is_nchw = layout == "NCHW"
        self._kind = kind
        self.register_buffer("mean", _constant(image.mean, shape))
        self.register_buffer("scale", _constant(1 / np.array(image.std), shape))

    def forward(self, images: Tensor) -> Tensor:
        if self._is_nchw:
            # No copy: the memory stays as it is, which torch calls channels_last.
            images = images.permute(0, 3, 1, 2)
        if self._kind != torch.uint8:
            images = ((images.float() - self.mean) * self.scale).to(self._kind)
        scores: Tensor = self.module(images)
        return scores.float()


def _constant(values: object, shape: tuple[int, ...]) -> Tensor:
    return torch.tensor(np.array(values, np.float32)).reshape(shape)
