"""Export to ONNX: what is folded into a convolution, and what is left beside it."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from mlperf_benchmark.models.architectures.onnx_export import export_onnx

SIZE = 9


class Padded(nn.Module):
    """Adds a channel before the convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        more = nn.functional.pad(x, (0, 0, 0, 0, 0, 1))
        output: torch.Tensor = self.conv(more)
        return output


@pytest.mark.parametrize(
    ("before", "is_folded"),
    [
        ([nn.ZeroPad2d((0, 1, 2, 3)), nn.Conv2d(3, 5, 3, padding=1)], True),
        ([nn.Identity(), nn.Conv2d(3, 5, 3, padding=2)], True),
        ([nn.ZeroPad2d((-1, 1, 0, 0)), nn.Conv2d(3, 5, 3)], False),
        ([nn.ConstantPad2d(1, 0.5), nn.Conv2d(3, 5, 3)], False),
        ([nn.ReflectionPad2d(1), nn.Conv2d(3, 5, 3)], False),
        ([nn.Identity(), nn.Conv2d(3, 5, 3, padding=1, padding_mode="replicate")], False),
        ([nn.Identity(), Padded()], False),
    ],
)
def test_only_zeros_around_the_image_are_folded(before: list[nn.Module], is_folded: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(*before, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    images = torch.randn(2, 3, SIZE, SIZE)
    model = export_onnx(net, SIZE)
    [scores] = onnxruntime.InferenceSession(model.SerializeToString()).run(
        None, {"input": images.numpy()}
    )
    with torch.no_grad():
        assert np.abs(scores - net(images).numpy()).max() < 1e-5
    assert is_folded == all(node.op_type != "Pad" for node in model.graph.node)
