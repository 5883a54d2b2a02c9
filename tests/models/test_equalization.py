"""Cross-layer equalisation keeps the function and brings weights to one range."""

import copy

import pytest
import torch
from torch import Tensor, nn

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.files.description import read_description
from mlperf_benchmark.models.optimize.equalization import equalize
from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.models.prepare.preparer import prepare_model
from tests.models.small_nets import register_small


class Chain(nn.Module):
    """Three layers with ReLUs between them, then a sum that joins the last one's channels."""

    def __init__(self, relu: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.expand = nn.Conv2d(3, 8, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.relu = relu
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.project = nn.Conv2d(8, 3, 1)
        for layer in (self.expand, self.depthwise):
            with torch.no_grad():
                layer.weight.mul_(torch.logspace(-2, 1, 8).reshape(-1, 1, 1, 1))
        self.norm.running_mean = torch.randn(8) / 10
        self.norm.running_var = torch.rand(8) + 0.5

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm(self.expand(x)))
        y = self.project(torch.relu(self.depthwise(y)))
        return x + torch.relu(y)


def noise(seed: int) -> Tensor:
    return torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(seed))


def spread(weight: Tensor) -> float:
    """Largest over smallest range of an output channel."""
    ranges = weight.detach().abs().flatten(1).amax(1)
    return float(ranges.max() / ranges.min())


def test_the_function_stays_and_one_scale_fits_all() -> None:
    net = Chain(nn.ReLU()).eval()
    equal = copy.deepcopy(net)
    assert equalize(equal) == 2
    with torch.no_grad():
        wanted, found = net(noise(1)), equal(noise(1))
    assert float((wanted - found).abs().max()) < 1e-4 * float(wanted.abs().max())
    assert spread(equal.depthwise.weight) < spread(net.depthwise.weight) / 5
    # Both sides of a channel have the same range.
    variance = equal.norm.get_buffer("running_var") + equal.norm.eps
    scale = equal.norm.weight / variance.sqrt()
    made = equal.expand.weight.abs().flatten(1).amax(1) * scale.abs()
    read = equal.depthwise.weight.abs().flatten(1).amax(1)
    assert torch.allclose(made, read, rtol=0.02)


def test_a_clipped_channel_is_left_alone(lite0: nn.Module) -> None:
    net = Chain(nn.ReLU6()).eval()
    before = copy.deepcopy(net.state_dict())
    assert equalize(net) == 1
    assert torch.equal(net.norm.weight, before["norm.weight"])
    assert not torch.equal(net.project.weight, before["project.weight"])
    assert equalize(lite0) == 0


def test_resnet50_keeps_its_answers(resnet50: nn.Module) -> None:
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = resnet50(images)
        # Two in each of 16 blocks; the stem's maximum and the sums are no ReLU alone.
        assert equalize(resnet50) == 32
        found = resnet50(images)
    assert float((wanted - found).abs().max()) < 1e-4 * float(wanted.abs().max())


def test_prepare_tells_how_many_pairs(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("models")
    words = ["--weights", "random", "--precision", "int8", "--equalize", "--output", str(folder)]
    made = prepare_model(parse([register_small(), *words, "--calibration-count", "4"]))
    assert "Equalised the weights of 4 pairs of layers." in capsys.readouterr().err
    description = read_description(made)
    assert description is not None
    assert description.quantization is not None
    assert description.quantization.equalized_pairs == 4
    with pytest.raises(ModelError, match="deit-tiny has no two convolutions with only a ReLU"):
        prepare_model(parse(["deit-tiny", *words]))
