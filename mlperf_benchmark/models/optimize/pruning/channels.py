"""Finds which channels of a module can be removed together, and what removing them saves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.optimize.macs import count_macs, macs_by_layer
from mlperf_benchmark.models.optimize.pruning.criterion import Criterion
from mlperf_benchmark.models.optimize.pruning.parts import Part, Role, is_depthwise, parts

PRUNABLE = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)
FIXED = (nn.LayerNorm, nn.Parameter)
"""Kinds of layers with a value for each channel of a transformer's tokens, which all must stay."""
SHOWN_LAYERS = 3


@dataclass(frozen=True, eq=False)
class ChannelGroup:
    """Channels that several layers share: one is removed from all of them or from none.

    `is_inner` says that only one layer makes these channels, so that no residual sum and no layer
    outside of its block sees them. `importance` has shape (width,).
    """

    root: nn.Module
    prune: Any
    width: int
    is_inner: bool
    importance: Tensor
    parts: tuple[Part, ...]

    @property
    def order(self) -> Tensor:
        """The channels in the order of their removal, shape (width,)."""
        return self.importance.argsort(stable=True)

    @property
    def makers(self) -> tuple[nn.Module, ...]:
        return tuple(part.layer for part in self.parts if part.role is Role.MAKES)

    def is_read_by(self, layer: nn.Module) -> bool:
        return any(part.layer is layer and part.role is Role.READS for part in self.parts)

    @property
    def structure(self) -> tuple[tuple[str, str], ...]:
        """The kinds of layers involved and their roles; groups of equal structure are
        isomorphic.
        """
        return tuple(sorted((type(one.layer).__name__, one.role.value) for one in self.parts))


@dataclass(frozen=True)
class _LayerMacs:
    """How many of a layer's outputs and inputs belong to one channel of a group."""

    layer: nn.Module
    macs: int
    outputs: tuple[tuple[int, float], ...]
    inputs: tuple[tuple[int, float], ...]


class ChannelGraph:
    """The channel groups of a module, and its multiply-accumulates for any widths of the groups."""

    def __init__(self, module: nn.Module, input_size: int, criterion: Criterion) -> None:
        """Trace `module`. Raises ModelError naming the layers that cannot be pruned."""
        _check_layers(module)
        self._module = module
        self._input_size = input_size
        self._graph = tp.DependencyGraph()
        layers = macs_by_layer(module, input_size)
        *_, classifier = layers
        self._classifier = classifier
        try:
            self._graph.build_dependency(
                module, torch.zeros(1, 3, input_size, input_size), verbose=False
            )
            groups = self._graph.get_all_groups(
                [classifier], root_module_types=(nn.Conv2d, nn.Linear)
            )
            found = [group for group in groups if _can_go(group)]
        except (RuntimeError, ValueError, KeyError, AttributeError) as error:
            raise ModelError(
                f"This model cannot be pruned, as it cannot be traced: {error}"
            ) from error
        if not found:
            raise ModelError("This model cannot be pruned: no layer has channels of its own.")
        self.groups = tuple(self._describe(group, criterion) for group in found)
        self._costs = tuple(
            _LayerMacs(layer, macs, *(self._shares(layer, found, side) for side in ("out", "in")))
            for layer, macs in layers.items()
        )

    def macs(self, widths: Sequence[int]) -> float:
        """Return the multiply-accumulates per image when group `i` has `widths[i]` channels."""
        removed = [group.width - width for group, width in zip(self.groups, widths, strict=True)]

        def kept(shares: tuple[tuple[int, float], ...]) -> float:
            return 1 - sum(removed[index] * share for index, share in shares)

        return math.fsum(cost.macs * kept(cost.outputs) * kept(cost.inputs) for cost in self._costs)

    def channels(self, widths: Sequence[int]) -> dict[nn.Module, tuple[int, int]]:
        """Return the inputs and outputs of each convolution and linear layer for `widths`."""
        removed = [group.width - width for group, width in zip(self.groups, widths, strict=True)]

        def kept(count: int, shares: tuple[tuple[int, float], ...]) -> int:
            return count - round(sum(removed[index] * share * count for index, share in shares))

        found = {}
        for cost in self._costs:
            outputs, inputs, *_ = cost.layer.get_parameter("weight").shape
            own = kept(outputs, cost.outputs)
            is_filter = is_depthwise(cost.layer)
            found[cost.layer] = (own if is_filter else kept(inputs, cost.inputs), own)
        return found

    def remove(self, widths: Sequence[int]) -> None:
        """Remove the least important channels of the module until the groups have `widths`.

        Raises ModelError if the layers do not fit together afterwards.
        """
        for group, width in zip(self.groups, widths, strict=True):
            least = group.order[: group.width - width].tolist()
            if least:
                self._graph.get_pruning_group(group.root, group.prune, sorted(least)).prune()
        # torch-pruning cannot follow every way of joining and reshaping channels.
        try:
            left = count_macs(self._module, self._input_size)
        except RuntimeError as error:
            raise ModelError(f"This model cannot be pruned: {error}.") from error
        if not math.isclose(left, self.macs(widths), rel_tol=1e-6):
            raise ModelError(
                "This model cannot be pruned: its channels are joined in a way unknown."
            )

    def kept_channels(self, widths: Sequence[int]) -> dict[nn.Module, Tensor]:
        """Return the channels, ascending, that each layer that makes, filters or scales
        some keeps.
        """
        found: dict[nn.Module, list[Tensor]] = {}
        for group, width in zip(self.groups, widths, strict=True):
            stay = group.order[group.width - width :]
            for part in group.parts:
                if part.role is not Role.READS:
                    found.setdefault(part.layer, []).append(part.places[stay].flatten())
        return {layer: torch.cat(places).sort().values for layer, places in found.items()}

    @property
    def head(self) -> frozenset[int]:
        """The indices of the groups that the head reads and makes; the head alone feeds the
        classifier.

        Empty if the classifier reads a residual sum.
        """
        made = [one for one in self.groups if one.is_inner and one.is_read_by(self._classifier)]
        heads = [layer for group in made for layer in group.makers]
        return frozenset(
            place
            for place, group in enumerate(self.groups)
            if group in made or any(group.is_read_by(layer) for layer in heads)
        )

    @property
    def projections(self) -> frozenset[nn.Module]:
        """The convolutions that read inner channels, which `reconstruct` solves anew."""
        return frozenset(
            part.layer
            for group in self.groups
            if group.is_inner
            for part in group.parts
            if part.role is Role.READS and _can_be_solved(part.layer)
        )

    def _describe(self, group: tp.dependency.Group, criterion: Criterion) -> ChannelGroup:
        own = parts(group)
        return ChannelGroup(
            root=group[0].dep.target.module,
            prune=group[0].dep.handler,
            width=len(group[0].idxs),
            is_inner=sum(part.role is Role.MAKES for part in own) == 1,
            importance=criterion.importance(group),
            parts=own,
        )

    def _shares(
        self, layer: nn.Module, groups: Sequence[tp.dependency.Group], side: str
    ) -> tuple[tuple[int, float], ...]:
        is_side = {
            "out": self._graph.is_out_channel_pruning_fn,
            "in": self._graph.is_in_channel_pruning_fn,
        }[side]
        total = layer.get_parameter("weight").shape[0 if side == "out" else 1]
        return tuple(
            (index, float(len(indices) / len(group[0].idxs) / total))
            for index, group in enumerate(groups)
            for dependency, indices in group
            if dependency.target.module is layer and is_side(dependency.handler)
            if side == "out" or not is_depthwise(layer)
        )


def _can_go(group: tp.dependency.Group) -> bool:
    """Whether the channels of `group` may be removed.

    Tokens keep theirs. So do attention heads: they are slices of a layer's channels, read under
    other indices than the layer's own.
    """
    width = len(group[0].idxs)
    for item in group:
        layer = item.dep.target.module
        if isinstance(layer, FIXED) or (isinstance(layer, PRUNABLE) and len(item.idxs) % width):
            return False
    return all(part.places.max() < part.extent for part in parts(group))


def _can_be_solved(layer: nn.Module) -> bool:
    """Whether the layer's inputs can be laid out as rows: padding is given as numbers,
    with zeros.
    """
    return (
        isinstance(layer, nn.Conv2d)
        and isinstance(layer.padding, tuple)
        and layer.padding_mode == "zeros"
    )


def _check_layers(module: nn.Module) -> None:
    bad = []
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d) and layer.groups > 1 and not is_depthwise(layer):
            bad.append(f"{name} (convolution in {layer.groups} groups)")
        elif list(layer.parameters(recurse=False)) and _is_unknown(layer):
            bad.append(f"{name} ({type(layer).__name__})")
    if bad:
        more = ", …" if len(bad) > SHOWN_LAYERS else ""
        raise ModelError(
            f"This model cannot be pruned: {len(bad)} layers are not supported:"
            f" {', '.join(bad[:SHOWN_LAYERS])}{more}."
        )


def _is_unknown(layer: nn.Module) -> bool:
    """Whether a layer is of no known kind; modules that contain layers do not count as unknown."""
    return not isinstance(layer, (*PRUNABLE, nn.LayerNorm)) and not list(layer.children())
