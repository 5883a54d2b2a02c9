"""MobileNetV2 with torchvision's state-dict keys.

MobileNetV2: Inverted Residuals and Linear Bottlenecks, https://arxiv.org/abs/1801.04381.
"""

from torch import Tensor, nn

from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.sources import Download

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""(expansion, output channels, blocks, stride of the first block): table 2 of the paper."""

STEM, HEAD = 32, 1280


def _layer(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch norm, ReLU6."""
    padding = (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise 3x3, linear 1x1 projection; identity shortcut where it fits."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        expand = [_layer(in_channels, inner, 1)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *expand,
            _layer(inner, inner, 3, stride, groups=inner),
            nn.Conv2d(inner, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.conv(x)
        return x + output if self.has_shortcut else output


class MobileNetV2(nn.Module):
    """Takes normalised float32 RGB (batch, 3, 224, 224), gives logits (batch, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        features: list[nn.Module] = [_layer(3, STEM, 3, 2)]
        channels = STEM
        for expansion, out_channels, blocks, first_stride in STAGES:
            for index in range(blocks):
                stride = first_stride if index == 0 else 1
                features.append(InvertedResidual(channels, out_channels, stride, expansion))
                channels = out_channels
        features.append(_layer(channels, HEAD, 1))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(HEAD, 1000))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return output


# The first weights (IMAGENET1K_V1), whose file is named by its sha256:
# https://github.com/pytorch/vision/blob/main/torchvision/models/mobilenetv2.py
architecture = Architecture(
    name="mobilenetv2",
    build=MobileNetV2,
    input_size=224,
    dataset="imagenet_pytorch",
    weight_sources={
        "torchvision": Download(
            url="https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
            sha256_prefix="b0353104",
        )
    },
    quantization_preset="mixed",
)
