"""Networks that take milliseconds, as modules and as a model of the product."""

import torch
from torch import Tensor, nn

from mlperf_benchmark.core.preprocessing import CustomPreprocessing
from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES, Architecture
from resnet50.model import Bottleneck

SIZE = 16
SMALL = "small"


class Small(nn.Module):
    """Inner channels that are made, scaled, filtered and read; a residual sum; a classifier."""

    def __init__(self, inner: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, 2, 1, bias=False)
        self.expand = nn.Conv2d(6, inner, 1, bias=False)
        self.norm = nn.BatchNorm2d(inner)
        self.depthwise = nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False)
        self.project = nn.Conv2d(inner, 6, 1, bias=False)
        self.out = nn.BatchNorm2d(6)
        self.classifier = nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        y = self.depthwise(torch.relu(self.norm(self.expand(x))))
        x = x + self.out(self.project(y))
        output: Tensor = self.classifier(torch.relu(x).mean((2, 3)))
        return output


class Bottlenecks(nn.Module):
    """ResNet-50's blocks: 3x3 layers read inner channels, and a convolution is the shortcut."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.blocks = nn.Sequential(Bottleneck(8, 8, 2), Bottleneck(32, 8, 1))
        self.fc = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.fc(self.blocks(self.stem(x)).mean((2, 3)))
        return output


def small(inner: int = 8) -> Small:
    """Seeded weights, none of which is the neutral one of its kind."""
    torch.manual_seed(0)
    net = Small(inner).eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    for norm in (net.norm, net.out):
        norm.running_mean = torch.randn(norm.num_features)
        norm.running_var = torch.rand(norm.num_features) + 0.5
    return net


def batches() -> list[Tensor]:
    """Ten images, the last batch smaller than the others."""
    images = torch.randn(10, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    return list(torch.split(images, 4))


def register_small() -> str:
    """Make Bottlenecks a model of the product, in this process; return its name."""
    if SMALL not in ARCHITECTURES.names():
        architecture = Architecture(
            name=SMALL,
            build=lambda: Bottlenecks(1000),
            input_size=224,
            dataset="imagenet_pytorch",
            weight_sources={},
            quantization_preset="performance",
        )
        ARCHITECTURES.register(SMALL, architecture)
    return SMALL


OWN = Architecture(
    name="own",
    build=Bottlenecks,
    input_size=64,
    dataset="custom",
    weight_sources={},
    quantization_preset="mixed",
    preprocessing=CustomPreprocessing(
        resize=(72, 72), crop=(64, 64), mean=(0.5,) * 3, interpolation="bicubic"
    ),
)
"""A model that says itself how its images are preprocessed."""
