"""ResNet-50 v1.5, and ResNet-18, with torchvision's state-dict keys.

Deep Residual Learning for Image Recognition, https://arxiv.org/abs/1512.03385. Version 1.5 has
the stride of a bottleneck on its 3x3 convolution instead of on the first 1x1.
"""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.sources import Download

STEM = 64
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""(inner channels, blocks, stride of the first block), a stage of ResNet-50 each."""

STAGES_18 = tuple((channels, 2, stride) for channels, _, stride in STAGES)


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    """The shortcut of a block; None for the identity."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside an identity or 1x1 shortcut."""

    expansion: ClassVar[int] = 1

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        output: Tensor = self.relu(x + shortcut)
        return output


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution beside an identity or 1x1 shortcut."""

    expansion: ClassVar[int] = 4

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        output: Tensor = self.relu(x + shortcut)
        return output


class ResNet(nn.Module):
    """Takes normalised float32 RGB (batch, 3, 224, 224), gives logits (batch, 1000)."""

    def __init__(
        self, block: type[BasicBlock | Bottleneck], layout: Sequence[tuple[int, int, int]]
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        stages = []
        in_channels = STEM
        for channels, blocks, stride in layout:
            stage = [block(in_channels, channels, stride)]
            in_channels = channels * block.expansion
            stage += [block(in_channels, channels, 1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*stage))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(in_channels, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        output: Tensor = self.fc(self.avgpool(x).flatten(1))
        return output


def _variant(name: str, build: partial[ResNet], sha256_prefix: str) -> Architecture:
    """With torchvision's first weights (IMAGENET1K_V1), whose file is named by its sha256.

    https://github.com/pytorch/vision/blob/main/torchvision/models/resnet.py
    """
    return Architecture(
        name=name,
        build=build,
        input_size=224,
        dataset="imagenet_pytorch",
        weight_sources={
            "torchvision": Download(
                url=f"https://download.pytorch.org/models/{name}-{sha256_prefix}.pth",
                sha256_prefix=sha256_prefix,
            )
        },
        quantization_preset="performance",
    )


architecture = _variant("resnet50", partial(ResNet, Bottleneck, STAGES), "0676ba61")
resnet18 = _variant("resnet18", partial(ResNet, BasicBlock, STAGES_18), "f37072fd")
