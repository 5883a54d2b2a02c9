"""Layers solved anew give what the unpruned ones gave, as far as the channels left allow."""

import copy

import pytest
import torch
from torch import Tensor, nn

from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.models.optimize.config import CRITERIA, SCOPES, PruningConfig
from mlperf_benchmark.models.optimize.macs import count_macs
from mlperf_benchmark.models.optimize.pruning.pruner import prune
from tests.models.small_nets import SIZE, Bottlenecks, Small, batches, small

WIDTH = 32


def redundant() -> Small:
    """A network half of whose inner channels copy the other half."""
    net = small(WIDTH)
    with torch.no_grad():
        for layer in (net.expand, net.norm, net.depthwise):
            for values in [*layer.parameters(), *layer.buffers()]:
                if values.ndim:
                    values[WIDTH // 2 :] = values[: WIDTH // 2]
    return net


def images() -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return list(torch.split(torch.randn(60, 3, SIZE, SIZE, generator=generator), 25))


def pruned(net: nn.Module, config: PruningConfig) -> nn.Module:
    module = copy.deepcopy(net)
    prune(module, SIZE, config, 0, images(), labels=None)
    return module


def error(net: nn.Module, other: nn.Module) -> float:
    """Relative to the answers of `net`, on images that nothing was fitted to."""
    with torch.no_grad():
        unseen = torch.cat(batches())
        return float((other(unseen) - net(unseen)).norm() / net(unseen).norm())


def test_reading_layer_takes_over_what_copies_brought() -> None:
    net = redundant()
    errors = {
        (method, reconstruct): error(
            net, pruned(net, PruningConfig(0.3, method, round_to=1, reconstruct=reconstruct))
        )
        for method in ("obs", "l2")
        for reconstruct in (True, False)
    }
    assert errors["obs", True] < 0.02
    assert errors["obs", True] < errors["obs", False] / 5, errors
    assert errors["l2", True] < errors["l2", False], errors


@pytest.mark.parametrize("scope", SCOPES.names())
@pytest.mark.parametrize("method", CRITERIA.names())
def test_every_criterion_works_in_every_scope_and_is_reconstructed(method: str, scope: str) -> None:
    net = small(WIDTH)
    config = PruningConfig(0.2, method, scope, round_to=1, reconstruct=True)
    module = pruned(net, config)
    assert 1 - count_macs(module, SIZE) / count_macs(net, SIZE) == pytest.approx(0.2, rel=0.02)
    for name, value in pruned(net, config).state_dict().items():
        assert torch.equal(value, module.state_dict()[name]), name


@pytest.mark.parametrize("channels", ["inner", "all"])
@pytest.mark.parametrize("ratio", [0.2, 0.4])
def test_bottlenecks_come_nearer_to_the_unpruned_ones(channels: str, ratio: float) -> None:
    torch.manual_seed(0)
    net = Bottlenecks().eval()

    def pruned_to(*, reconstruct: bool) -> nn.Module:
        config = PruningConfig(
            ratio, "obs", "fisher", channels, round_to=1, reconstruct=reconstruct
        )
        return pruned(net, config)

    assert error(net, pruned_to(reconstruct=True)) < error(net, pruned_to(reconstruct=False))


def test_module_keeps_its_answers_where_nothing_can_be_made_up_for() -> None:
    """A channel less, of which nothing is seen: the rest is solved to what it was."""
    net = small(WIDTH)
    with torch.no_grad():
        net.project.weight[:, :8] = 0
    module = pruned(net, PruningConfig(0.15, "obs", round_to=1, reconstruct=True))
    assert error(net, module) < 1e-3


class Untraceable(Small):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.sum() > 0 else x + 0)


def test_module_whose_code_decides_by_values_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot be reconstructed"):
        pruned(Untraceable(WIDTH).eval(), PruningConfig(0.2, round_to=1, reconstruct=True))


def test_reconstruction_without_images_is_refused() -> None:
    with pytest.raises(UsageError, match="needs calibration images"):
        prune(small(WIDTH), SIZE, PruningConfig(0.2, round_to=1, reconstruct=True), 0, [])
