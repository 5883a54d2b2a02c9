"""Solves layers of a pruned module anew so that their outputs approximate the unpruned ones.

The module is processed layer by layer. A convolution that reads pruned channels becomes, with its
batch norm, the affine map that best reproduces the unpruned module's outputs from what the pruned
module feeds it: least squares (https://arxiv.org/abs/1707.06168) with a ridge towards the remaining
weights. If the outputs are added to a shortcut, the sum is approximated instead. All other batch
norms get statistics of their new inputs, corrected as in batch_norm.py. Labels are not needed.
"""

import operator
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from mlperf_benchmark.models.optimize.pruning.moments import Moments
from mlperf_benchmark.models.optimize.pruning.output_errors import RIDGE
from mlperf_benchmark.models.optimize.pruning.walk import Walk

ADDITIONS = (operator.add, operator.iadd, torch.add)


def reconstruct(
    module: nn.Module,
    original: nn.Module,
    layers: Collection[nn.Module],
    kept: Mapping[nn.Module, Tensor],
    images: Callable[[], Iterable[Tensor]],
) -> None:
    """Solve the convolutions `layers` of the pruned `module` anew, in place.

    `original` is a copy of the unpruned module; `kept` are the channels that the pruned module's
    layers still have. `images()` returns float32 batches (batch, 3, height, width). All are in
    memory at once, with their activations at one layer. Raises ModelError for a module that cannot
    be traced.
    """
    walk, model = Walk(module, images()), Walk(original, images())
    pair = _Pair(walk, model, dict(zip(walk.nodes, model.nodes, strict=True)))
    done = set()
    for node, layer in walk.layers.items():
        if isinstance(layer, nn.Conv2d) and layer in layers:
            place = _Place.of(node, layer, walk)
            if place is not None:
                _solve(place, pair, kept[layer])
                done.add(place.norm)
        elif isinstance(layer, nn.BatchNorm2d) and layer not in done:
            walk.go_to(node)
            (source,) = node.all_input_nodes
            mean, variance = pair.statistics(node, walk.values(source), kept.get(layer))
            layer.get_buffer("running_mean").copy_(mean)
            layer.get_buffer("running_var").copy_(variance)


@dataclass(frozen=True)
class _Pair:
    """The pruned and the original module; `twins` maps nodes of the former to nodes of
    the latter.
    """

    pruned: Walk
    original: Walk
    twins: Mapping[fx.Node, fx.Node]

    def statistics(
        self, node: fx.Node, inputs: Iterable[Tensor], kept: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return mean and variance of `inputs`, which batch norm `node` reads in the pruned module.

        They are corrected by the difference, in the original module, between the statistics of the
        whole training set and those of the images, for the channels `kept`.
        """
        twin = self.twins[node]
        norm = self.original.layers[twin]
        assert isinstance(norm, nn.BatchNorm2d)
        self.original.go_to(twin)
        (source,) = twin.all_input_nodes
        original_mean, original_variance = _statistics(self.original.values(source))
        offset = norm.get_buffer("running_mean") - original_mean
        factor = (norm.get_buffer("running_var") + norm.eps) / (original_variance + norm.eps)
        if kept is not None:
            offset, factor = offset[kept], factor[kept]
        mean, variance = _statistics(inputs)
        return mean + offset, ((variance + norm.eps) * factor - norm.eps).clamp(min=0)


@dataclass(frozen=True)
class _Place:
    """A convolution in the graph, its batch norm, and the shortcut that is added to the result."""

    conv_node: fx.Node
    conv: nn.Conv2d
    norm_node: fx.Node | None
    norm: nn.BatchNorm2d | None
    total: fx.Node | None
    shortcut: fx.Node | None

    @classmethod
    def of(cls, node: fx.Node, conv: nn.Conv2d, walk: Walk) -> "_Place | None":
        """Return the place of `node`, or None if it has no bias to solve."""
        follower = _only_user(node)
        norm = walk.layers.get(follower) if follower else None
        norm_node = None
        if isinstance(norm, nn.BatchNorm2d) and norm.affine:
            norm_node = follower
        elif conv.bias is None or isinstance(norm, nn.BatchNorm2d):
            return None
        last = norm_node or node
        total = _only_user(last)
        shortcut = None
        if total is not None and total.op == "call_function" and total.target in ADDITIONS:
            others = [one for one in total.all_input_nodes if one is not last]
            # A shortcut that is computed later cannot be compensated for.
            if len(others) == 1 and walk.index[others[0]] < walk.index[node]:
                (shortcut,) = others
        return cls(
            node,
            conv,
            norm_node,
            norm if isinstance(norm, nn.BatchNorm2d) else None,
            total if shortcut else None,
            shortcut,
        )


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _solve(place: _Place, pair: _Pair, kept: Tensor) -> None:
    """Fit the wanted outputs to the available inputs by ridge regression."""
    conv, norm = place.conv, place.norm
    walk, model = pair.pruned, pair.original
    walk.go_to(place.conv_node)
    (source,) = place.conv_node.all_input_nodes
    scale = torch.ones(len(kept), dtype=torch.float64)
    if norm is not None and place.norm_node is not None:
        # The ridge pulls towards the old weights combined with statistics that fit the pruned
        # module.
        with torch.no_grad():
            outputs = (conv(images) for images in walk.values(source))
            _, variance = pair.statistics(place.norm_node, outputs, kept)
        scale = (norm.weight / (variance + norm.eps).sqrt()).detach().double()
    old = (conv.weight.detach().flatten(1).double() * scale[:, None]).T

    last = pair.twins[place.total or place.norm_node or place.conv_node]
    model.go_past(last)
    inputs: Moments | None = None
    target_sum = torch.zeros(len(kept), dtype=torch.float64)
    products = torch.zeros(old.shape, dtype=torch.float64)
    shortcuts = walk.values(place.shortcut) if place.shortcut else None
    for given, wanted in zip(walk.values(source), model.values(last), strict=True):
        target = wanted[:, kept]
        if shortcuts is not None:
            target = target - next(shortcuts)
        rows, target = _rows(given, conv), target.transpose(0, 1).flatten(1).T
        own = Moments.of(rows)
        inputs = own if inputs is None else inputs + own
        target_sum += target.sum(0).double()
        products += (rows.T @ target).double()
    assert inputs is not None
    mean, target_mean = inputs.sum / inputs.count, target_sum / inputs.count
    covariance = inputs.covariance
    common = products / inputs.count - torch.outer(mean, target_mean)
    ridge = RIDGE * len(mean) / inputs.count * covariance.diagonal().mean()
    ridge = ridge.clamp(min=torch.finfo(torch.float64).tiny ** 0.5)
    damped = covariance + ridge * torch.eye(len(mean), dtype=torch.float64)
    new = old + torch.linalg.solve(damped, common - covariance @ old)

    with torch.no_grad():
        conv.weight.copy_(new.T.reshape(conv.weight.shape))
        if norm is None:
            assert conv.bias is not None
            conv.bias.copy_(target_mean - mean @ new)
            return
        # These statistics fit the new weights, so that re-estimating them changes nothing.
        bias = 0 if conv.bias is None else conv.bias
        variance = ((covariance @ new) * new).sum(0).clamp(min=0)
        norm.get_buffer("running_mean").copy_(mean @ new + bias)
        norm.get_buffer("running_var").copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(target_mean)


def _rows(images: Tensor, conv: nn.Conv2d) -> Tensor:
    """Return what the convolution reads for each output position, (positions, inputs)."""
    if conv.kernel_size == (1, 1) and conv.stride == (1, 1) and conv.padding == (0, 0):
        return images.transpose(0, 1).flatten(1).T
    assert not isinstance(conv.padding, str)
    columns = functional.unfold(images, conv.kernel_size, conv.dilation, conv.padding, conv.stride)
    return columns.transpose(0, 1).flatten(1).T


def _statistics(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and variance of each channel in float64."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for batch in batches:
        values = batch.transpose(0, 1).flatten(1)
        count += values.shape[1]
        total = total + values.sum(1).double()
        squares = squares + values.square().sum(1).double()
    mean = total / count
    return mean, (squares / count - mean.square()).clamp(min=0)
