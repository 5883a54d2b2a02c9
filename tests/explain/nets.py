"""A small net whose layers INT8 treats as is wished."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from openvino import opset13 as ops
from torch import Tensor, nn

from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.files.openvino_ir import OpenVINOIr

SIDE = 16
LAYERS = ("/first/Conv", "/second/Conv", "/third/Conv", "/classifier/Gemm")
"""In the order of execution, with the residual sum "/Add" before the classifier."""


class Net(nn.Module):
    """Three convolutions, the third beside a shortcut where that is wished, and a classifier."""

    def __init__(self, classes: int = 10, *, shortcut: bool = True) -> None:
        super().__init__()
        self.shortcut = shortcut
        torch.manual_seed(2)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.third = nn.Conv2d(8, 8, 3, padding=1)
        self.classifier = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x))))
        y = self.third(x)
        x = torch.relu(x + y if self.shortcut else y)
        scores: Tensor = self.classifier(x.mean((2, 3)))
        return scores


def unbalanced(classes: int = 10, centred_at: int | None = None) -> Net:
    """One channel that the third convolution reads dwarfs the others, which vanish in INT8.

    `centred_at`: scores are about 0 on the average over images of that side, so that the answers
    hang on what changes.
    """
    net = Net(classes, shortcut=False).eval()
    with torch.no_grad():
        net.second.weight[0] *= 2000
        net.second.bias[0] *= 2000  # type: ignore[index]
        net.third.weight[:, 0] /= 2000
        if centred_at is not None:
            scores = net(torch.from_numpy(images(10, centred_at, strongest=1)))
            net.classifier.bias.sub_(scores.mean(0))
    return net


def graph(net: nn.Module) -> ov.Model:
    return OpenVINOIr().convert(export_onnx(net, SIDE))


def images(
    count: int = 60, side: int = SIDE, *, strongest: float = 3, seed: int = 0
) -> NDArray[np.float32]:
    """Noise, weak and strong."""
    generator = np.random.default_rng(seed)
    strength = generator.uniform(0.1, strongest, (count, 1, 1, 1))
    return (strength * generator.standard_normal((count, 3, side, side))).astype(np.float32)


def one_by_one(pixels: NDArray[Any]) -> Iterator[tuple[NDArray[Any], int]]:
    for image in pixels:
        yield image[None], 1


def spoil(model: ov.Model, layer: str, factor: float) -> ov.Model:
    """A copy whose FakeQuantize before `layer` has another scale than the values want."""
    model = model.clone()
    (node,) = [
        one
        for one in model.get_ordered_ops()
        if one.friendly_name.removesuffix("/WithoutBiases") == layer
        and one.get_type_name() in ("Convolution", "MatMul")
    ]
    quantizer = node.input_value(0).get_node()
    while quantizer.get_type_name() != "FakeQuantize":
        quantizer = quantizer.input_value(0).get_node()
    for place in range(1, 5):
        source = quantizer.input(place)
        limit = source.get_source_output().get_node()
        wrong = ops.constant(limit.data * factor, np.float32)
        source.replace_source_output(wrong.output(0))
    return model
