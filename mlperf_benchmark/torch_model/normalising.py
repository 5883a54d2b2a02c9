"""The normalisation, as part of the timed model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.models.files.ports import Port
from mlperf_benchmark.torch_model.outputs import chosen, tensors


class Normalising(nn.Module):
    """`module` behind the normalisation: uint8 images (batch, height, width, 3) to float32 scores.

    `layout` and `kind` are those of the module's own input; one of bytes normalises itself. Of a
    module with several outputs, `choose_output` says which one is meant.
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
        self._place = 0
        shape = (1, 3, 1, 1) if layout == "NCHW" else (1, 1, 1, 3)
        self._is_nchw = layout == "NCHW"
        self._kind = kind
        self.register_buffer("mean", _constant(image.mean, shape))
        self.register_buffer("scale", _constant(1 / np.array(image.std), shape))

    def choose_output(self, images: Tensor, names: Sequence[str], wanted: tuple[str, ...]) -> Port:
        """By what `images` are answered with; `names` are the exporter's. Raises ModelError."""
        with torch.no_grad():
            self._place, port = chosen(self._answer(images), names, wanted)
        return port

    def forward(self, images: Tensor) -> Tensor:
        answer = self._answer(images)
        scores: Tensor = answer if isinstance(answer, Tensor) else tensors(answer)[self._place]
        return scores.float()

    def _answer(self, images: Tensor) -> Any:
        if self._is_nchw:
            # No copy: the memory stays as it is, which torch calls channels_last.
            images = images.permute(0, 3, 1, 2)
        if self._kind != torch.uint8:
            images = ((images.float() - self.mean) * self.scale).to(self._kind)
        return self.module(images)


def _constant(values: object, shape: tuple[int, ...]) -> Tensor:
    return torch.tensor(np.array(values, np.float32)).reshape(shape)
