"""Pruning takes what it says, from whatever can be pruned, and the rest keeps working."""

import copy

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from mlperf_benchmark.core.errors import ModelError, UnknownNameError, UsageError
from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.optimize.batch_norm import change_keeping_batch_norm
from mlperf_benchmark.models.optimize.config import PruningConfig
from mlperf_benchmark.models.optimize.macs import count_macs
from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph
from mlperf_benchmark.models.optimize.pruning.criteria.norms import GroupL2
from mlperf_benchmark.models.optimize.pruning.pruner import prune

SIZE = 32


class Branches(nn.Module):
    """Residual sum, concatenation, depthwise convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64))
        self.inner = nn.Sequential(nn.Conv2d(64, 96, 1), nn.BatchNorm2d(96), nn.ReLU6())
        self.depthwise = nn.Conv2d(96, 96, 3, padding=1, groups=96)
        self.outer = nn.Conv2d(96, 64, 1)
        self.left = nn.Sequential(nn.Conv2d(64, 48, 3, 2, 1), nn.BatchNorm2d(48))
        self.right = nn.Sequential(nn.Conv2d(64, 80, 3, 2, 1), nn.BatchNorm2d(80))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.outer(self.depthwise(self.inner(x))))
        x = self.pool(torch.cat([self.left(x), self.right(x)], 1))
        output: Tensor = self.classifier(torch.relu(x.flatten(1)))
        return output


def noise(size: int = SIZE, seed: int = 0) -> Tensor:
    return torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def branches() -> nn.Module:
    torch.manual_seed(0)
    return Branches().eval()


@pytest.mark.parametrize("ratio", [0.05, 0.5])
def test_resnet50_loses_the_part_that_was_asked_for(resnet50: nn.Module, ratio: float) -> None:
    before = count_macs(resnet50, 224)
    prune(resnet50, 224, PruningConfig(ratio), 0, [])
    assert 1 - count_macs(resnet50, 224) / before == pytest.approx(ratio, rel=0.02)
    widths = [layer.out_channels for layer in resnet50.modules() if isinstance(layer, nn.Conv2d)]
    assert all(width % 16 == 0 for width in widths)
    with torch.no_grad():
        assert resnet50(noise(224)).shape == (4, 1000)


def test_all_channels_go_alike_where_that_is_wanted(resnet50: nn.Module) -> None:
    prune(resnet50, 224, PruningConfig(0.5, channels="all", round_to=64), 0, [])
    assert resnet50.get_submodule("layer4.2.conv3").get_parameter("weight").shape[0] < 2048


def test_lite0_loses_inner_channels_first(lite0: nn.Module) -> None:
    before = {name: tuple(value.shape) for name, value in lite0.state_dict().items()}
    prune(lite0, 224, PruningConfig(0.2), 0, [noise(224)])
    changed = {
        name for name, value in lite0.state_dict().items() if tuple(value.shape) != before[name]
    }
    assert any("_expand_conv" in name for name in changed)
    # The channels that residual sums join are whole.
    assert not {name for name in changed if name.startswith("_blocks.2._bn2")}


@pytest.mark.parametrize("method", ["l2", "bn-scale", "random"])
@pytest.mark.parametrize("scope", ["uniform", "global"])
@pytest.mark.parametrize("ratio", [0.1, 0.4, 0.7])
def test_any_module_can_be_pruned(
    branches: nn.Module, method: str, scope: str, ratio: float
) -> None:
    before = count_macs(branches, SIZE)
    prune(branches, SIZE, PruningConfig(ratio, method, scope, round_to=1), 0, [noise()])
    assert 1 - count_macs(branches, SIZE) / before == pytest.approx(ratio, rel=0.02)
    with torch.no_grad():
        assert branches(noise()).shape == (4, 10)


def test_foreseen_macs_are_those_of_the_pruned_module(branches: nn.Module) -> None:
    graph = ChannelGraph(branches, SIZE, GroupL2(0))
    widths = [group.width - 16 for group in graph.groups]
    foreseen = graph.macs(widths)
    graph.remove(widths)
    assert count_macs(branches, SIZE) == pytest.approx(foreseen)


def test_head_is_what_alone_feeds_the_classifier(lite0: nn.Module, resnet50: nn.Module) -> None:
    graph = ChannelGraph(lite0, 224, GroupL2(0))
    assert {graph.groups[place].width for place in graph.head} == {320, 1280}
    assert not ChannelGraph(resnet50, 224, GroupL2(0)).head


def test_depthwise_weights_count(branches: nn.Module) -> None:
    def score() -> float:
        graph = ChannelGraph(branches, SIZE, GroupL2(0))
        return float(next(group for group in graph.groups if group.width == 96).importance[5])

    before = score()
    with torch.no_grad():
        branches.get_submodule("depthwise").get_parameter("weight")[5] *= 10
    assert score() > 1.5 * before


def test_least_important_channels_go(branches: nn.Module) -> None:
    inner = branches.get_submodule("inner.0")
    weak = [3, 40, 77]
    with torch.no_grad():
        for name in ("inner.0", "inner.1", "depthwise"):
            branches.get_submodule(name).get_parameter("weight")[weak] *= 1e-3
        branches.get_submodule("outer").get_parameter("weight")[:, weak] *= 1e-3
    kept = np.delete(inner.get_parameter("weight").detach().numpy(), weak, axis=0)
    graph = ChannelGraph(branches, SIZE, GroupL2(0))
    graph.remove([g.width - 3 * (g.width == 96) for g in graph.groups])
    assert np.array_equal(inner.get_parameter("weight").detach().numpy(), kept)


def test_random_channels_depend_on_the_seed_alone(branches: nn.Module) -> None:
    def pruned(seed: int) -> Tensor:
        module = copy.deepcopy(branches)
        prune(module, SIZE, PruningConfig(0.4, "random", round_to=1), seed, [])
        return module.get_submodule("inner.0").get_parameter("weight")

    assert torch.equal(pruned(1), pruned(1))
    assert not torch.equal(pruned(1), pruned(2))


def test_statistics_stay_where_nothing_is_removed(lite0: nn.Module) -> None:
    before = copy.deepcopy(lite0.state_dict())
    change_keeping_batch_norm(lite0, [noise(224)], lambda: None)
    for name, value in lite0.state_dict().items():
        if "running" in name:
            torch.testing.assert_close(value, before[name], rtol=1e-3, atol=1e-4)


def test_exported_graph_equals_the_pruned_module(lite0: nn.Module) -> None:
    prune(lite0, 224, PruningConfig(0.3), 0, [noise(224)])
    images = noise(224, seed=1)
    with torch.no_grad():
        expected = lite0(images).numpy()
    session = onnxruntime.InferenceSession(export_onnx(lite0, 224).SerializeToString())
    scores = session.run(None, {"input": images.numpy()})[0]
    assert np.abs(scores - expected).max() <= 1e-4 * np.abs(expected).max()


class Grouped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3)
        self.odd = nn.Conv2d(32, 32, 3, groups=4)
        self.norm = nn.GroupNorm(4, 32)
        self.last = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.last(self.norm(self.odd(self.first(x))).mean((2, 3)))
        return output


def test_layers_that_cannot_be_pruned_are_named() -> None:
    with pytest.raises(ModelError) as caught:
        prune(Grouped(), SIZE, PruningConfig(0.5), 0, [])
    assert "odd (convolution in 4 groups), norm (GroupNorm)" in str(caught.value)


def test_part_that_steps_are_too_coarse_for_is_answered_with_the_nearest(
    branches: nn.Module,
) -> None:
    with pytest.raises(UsageError, match=r"the nearest .* steps of 64 allow is 0\.\d+"):
        prune(branches, SIZE, PruningConfig(0.05, round_to=64), 0, [])


@pytest.mark.parametrize("ratio", [-0.5, 0.0, 1.0, 50])
def test_part_out_of_range_is_refused(ratio: float) -> None:
    with pytest.raises(UsageError, match="above 0 and below 1"):
        PruningConfig(ratio)


def test_misspelt_method_and_scope_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match='Did you mean "bn-scale"'):
        PruningConfig(0.5, "bnscale")
    with pytest.raises(UnknownNameError, match='Did you mean "global"'):
        PruningConfig(0.5, scope="globall")
