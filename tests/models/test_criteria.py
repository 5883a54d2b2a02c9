"""Each criterion scores channels as its formula says, written down here once more by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.optimize.config import CRITERIA
from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph, ChannelGroup
from mlperf_benchmark.models.optimize.pruning.evidence import Evidence
from mlperf_benchmark.models.optimize.pruning.output_errors import RIDGE
from tests.models.small_nets import SIZE, Small, batches, small

LABELS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
CHANNELS = range(8)


def inner_group(net: Small, method: str, evidence: Evidence, seed: int = 0) -> ChannelGroup:
    criterion = CRITERIA.load(method)(seed)
    criterion.observe(evidence)
    graph = ChannelGraph(net, SIZE, criterion)
    (group,) = (one for one in graph.groups if one.is_inner)
    return group


def importance(net: Small, method: str, labels: list[int] | None = None) -> Tensor:
    return inner_group(net, method, Evidence(net, batches(), labels)).importance


def of_channel(net: Small, values: Callable[[Tensor], Tensor]) -> list[list[Tensor]]:
    """For each inner channel what `values` makes of the weights that go with it."""
    expand, norm = values(net.expand.weight), values(net.norm.weight)
    depthwise, project = values(net.depthwise.weight), values(net.project.weight)
    return [
        [expand[c].flatten(), norm[c].flatten(), depthwise[c].flatten(), project[:, c].flatten()]
        for c in CHANNELS
    ]


def assert_proportional(found: Tensor, expected: list[Tensor] | Tensor) -> None:
    wanted = torch.as_tensor(torch.stack(list(expected))).detach().double()
    found = found.double()
    torch.testing.assert_close(found / found.sum(), wanted / wanted.sum(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("method", "power"), [("l1", 1), ("l2", 2)])
def test_norms_count_every_weight_that_goes_with_a_channel(method: str, power: int) -> None:
    net = small()
    powers = of_channel(net, lambda weight: weight.abs() ** power)
    assert_proportional(importance(net, method), [torch.cat(one).sum() for one in powers])


def test_bn_scale_is_the_magnitude_of_the_scales() -> None:
    net = small()
    assert_proportional(importance(net, "bn-scale"), net.norm.weight.abs())


def test_fpgm_sums_the_distances_to_all_others() -> None:
    net = small()
    weights = [(w[0], w[2], w[3]) for w in of_channel(net, lambda weight: weight)]

    def distance(one: int, other: int) -> Tensor:
        pairs = zip(weights[one], weights[other], strict=True)
        return torch.stack([(a - b).square().sum().sqrt() for a, b in pairs]).sum()

    sums = [torch.stack([distance(c, other) for other in CHANNELS]).sum() for c in CHANNELS]
    assert_proportional(importance(net, "fpgm"), sums)


def test_lamp_divides_squares_by_those_that_are_no_smaller() -> None:
    net = small()

    def lamp(weight: Tensor) -> Tensor:
        squares = weight.detach().double() ** 2
        flat = squares.flatten()
        return (flat / torch.stack([flat[flat >= one].sum() for one in flat])).reshape(weight.shape)

    scores = [torch.cat([w[0], w[2], w[3]]).sum() for w in of_channel(net, lamp)]
    found = importance(net, "lamp")
    torch.testing.assert_close(found, torch.stack(scores))
    # Weight by weight, it is another order than that of the squares.
    assert found.argsort().tolist() != importance(net, "l2").argsort().tolist()


def losses(net: Small, labels: list[int] | None) -> Tensor:
    """Cross entropy image by image."""
    scores = net(torch.cat(batches()))
    wanted = scores.argmax(1) if labels is None else torch.tensor(labels)
    return functional.cross_entropy(scores, wanted, reduction="none")


@pytest.mark.parametrize("labels", [LABELS, None])
def test_taylor_is_weight_times_gradient_over_all_batches(labels: list[int] | None) -> None:
    net = small()
    losses(net, labels).mean().backward()  # type: ignore[no-untyped-call]
    products = of_channel(net, lambda weight: weight * (0 if weight.grad is None else weight.grad))
    expected = [torch.cat(one).abs().sum() for one in products]
    assert_proportional(importance(net, "taylor", labels), expected)


@pytest.mark.parametrize("labels", [LABELS, None])
def test_hessian_squares_the_gradients_of_each_image(labels: list[int] | None) -> None:
    net = small()
    weights = [net.expand.weight, net.norm.weight, net.depthwise.weight, net.project.weight]
    squares = [torch.zeros_like(weight) for weight in weights]
    for loss in losses(net, labels):
        for total, one in zip(
            squares, torch.autograd.grad(loss, weights, retain_graph=True), strict=True
        ):
            total.add_(one**2)
    of_weight = {id(weight): square for weight, square in zip(weights, squares, strict=True)}
    products = of_channel(net, lambda weight: weight**2 * of_weight[id(weight)])
    expected = [torch.cat(one).sum() for one in products]
    assert_proportional(importance(net, "hessian", labels), expected)


def read(net: Small) -> tuple[Tensor, Tensor]:
    """What the depthwise convolution and the projection read, for all images."""
    with torch.no_grad():
        before = torch.relu(net.norm(net.expand(torch.relu(net.stem(torch.cat(batches()))))))
        return before, net.depthwise(before)


def test_activation_is_the_mean_magnitude_over_all_images() -> None:
    net = small()
    before, behind = (one.abs().mean((0, 2, 3)) for one in read(net))
    assert_proportional(importance(net, "activation"), before + behind)


def test_obs_removes_what_the_others_make_up_for_best() -> None:
    """The errors are those of solving the projection anew without the channels, by brute force."""
    net = small()
    evidence = Evidence(net, batches(), LABELS)
    group = inner_group(net, "obs", evidence)
    rows = read(net)[1].transpose(0, 1).flatten(1).double()
    covariance = rows.cov(correction=0)
    mean_variance = covariance.diagonal().mean()
    covariance += RIDGE * 8 / rows.shape[1] * mean_variance * torch.eye(8, dtype=torch.float64)

    seen: list[Tensor] = []

    def keep(_layer: object, _inputs: object, output: Tensor) -> None:
        output.retain_grad()
        seen.append(output)

    hook = net.project.register_forward_hook(keep)
    losses(net, None).sum().backward()  # type: ignore[no-untyped-call]
    hook.remove()
    assert seen[0].grad is not None
    fisher = seen[0].grad.double().square().sum((0, 2, 3)) / 10
    weight = net.project.weight.detach().double().flatten(1)

    def error(gone: list[int]) -> float:
        kept = [c for c in CHANNELS if c not in gone]
        across = covariance[gone][:, kept]
        rest = covariance[gone][:, gone]
        if kept:
            rest = rest - across @ covariance[kept][:, kept].inverse() @ across.T
        return float(((weight[:, gone] @ rest) * weight[:, gone]).sum(1) @ fisher)

    order = group.order.tolist()
    for count in range(8):
        others = [error([*order[:count], c]) for c in CHANNELS if c not in order[:count]]
        assert error(order[: count + 1]) == pytest.approx(min(others))
    costs = evidence.output_errors.costs(group.parts, group.order)
    assert costs.cumsum(0).tolist() == pytest.approx([error(order[: n + 1]) for n in CHANNELS])


def test_scores_are_the_same_to_the_bit_and_random_ones_follow_the_seed() -> None:
    for method in CRITERIA.names():
        one, other = (importance(small(), method) for _ in range(2))
        assert torch.equal(one, other), method
    net = small()
    scores = [
        inner_group(net, "random", Evidence(net, [], None), seed).importance for seed in (0, 1)
    ]
    assert not torch.equal(*scores)


def test_label_that_the_model_does_not_know_is_named() -> None:
    with pytest.raises(UsageError, match="has the label 10, but the model knows 10 classes"):
        importance(small(), "taylor", [*LABELS[:-1], 10])


@pytest.mark.parametrize("method", ["taylor", "hessian", "activation", "obs"])
def test_criterion_that_looks_at_images_says_so_where_there_are_none(method: str) -> None:
    net = small()
    with pytest.raises(UsageError, match="needs calibration images"):
        inner_group(net, method, Evidence(net, [], None))
