"""The parts of layers that belong to a group of channels."""

from dataclasses import dataclass
from enum import Enum

import torch
import torch_pruning as tp
from torch import Tensor, nn


class Role(Enum):
    """What a layer does with the channels."""

    MAKES = "makes"
    SCALES = "scales"
    FILTERS = "filters"
    READS = "reads"


@dataclass(frozen=True)
class Part:
    """The positions in a layer that belong to the channels of a group.

    `places` has shape (width, places per channel). There is usually one place per channel, but a
    linear layer after a flattened map reads each channel at many. A depthwise convolution filters
    channels, and batch norm scales them.
    """

    layer: nn.Module
    role: Role
    places: Tensor

    def rows(self, values: Tensor) -> Tensor:
        """Select the rows of each channel from `values`, which have the shape of the layer's
        weight.

        Returns (width, values per channel).
        """
        of_places = values.transpose(0, 1) if self.role is Role.READS else values
        return of_places[self.places].flatten(1)

    @property
    def extent(self) -> int:
        """The number of places that the layer has."""
        return self.weight.shape[1 if self.role is Role.READS else 0]

    @property
    def weight(self) -> Tensor:
        return self.layer.get_parameter("weight").detach()


def parts(group: tp.dependency.Group) -> tuple[Part, ...]:
    """Return the parts of `group` in convolutions, linear layers and batch norms with weights."""
    width = len(group[0].idxs)
    found = []
    for item in group:
        layer = item.dep.target.module
        role = _role(layer, item.dep.handler.__name__)
        if role is not None:
            # Every channel has the same number of places, listed in any order.
            order = torch.tensor(item.root_idxs).argsort(stable=True)
            found.append(Part(layer, role, torch.tensor(item.idxs)[order].reshape(width, -1)))
    return tuple(found)


def by_channel(layer: nn.Module, values: Tensor) -> Tensor:
    """Reshape values that `layer` reads or returns to (channels, all others).

    Convolutions have channels after the batch axis; linear layers have them last, also for tokens.
    """
    axis = -1 if isinstance(layer, nn.Linear) else 1
    return values.movedim(axis, 0).flatten(1)


def is_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1


def _role(layer: nn.Module, handler: str) -> Role | None:
    if isinstance(layer, nn.BatchNorm2d):
        return Role.SCALES if layer.affine else None
    if not isinstance(layer, nn.Conv2d | nn.Linear):
        return None
    if is_depthwise(layer):
        return Role.FILTERS
    return Role.READS if handler == "prune_in_channels" else Role.MAKES
