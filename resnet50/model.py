"""ResNet-50 v1.5 with torchvision's state-dict keys.

Deep Residual Learning for Image Recognition, https://arxiv.org/abs/1512.03385. Version 1.5 has
the stride of a bottleneck on its 3x3 convolution instead of on the first 1x1.
"""

from torch import Tensor, nn

from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.sources import Download

EXPANSION = 4
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""(inner channels, blocks, stride of the first block), a stage each."""


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution beside an identity or 1x1 shortcut."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        out_channels = channels * EXPANSION
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        output: Tensor = self.relu(x + shortcut)
        return output


class ResNet50(nn.Module):
    """Takes normalised float32 RGB (batch, 3, 224, 224), gives logits (batch, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        stages = []
        in_channels = 64
        for channels, blocks, stride in STAGES:
            stage = [Bottleneck(in_channels, channels, stride)]
            in_channels = channels * EXPANSION
            stage += [Bottleneck(in_channels, channels, 1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*stage))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(in_channels, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        output: Tensor = self.fc(self.avgpool(x).flatten(1))
        return output


architecture = Architecture(
    name="resnet50",
    build=ResNet50,
    input_size=224,
    dataset="imagenet_pytorch",
    weight_sources={
        "torchvision": Download(
            url="https://download.pytorch.org/models/resnet50-0676ba61.pth",
            sha256_prefix="0676ba61",
        )
    },
    quantization_preset="performance",
)
