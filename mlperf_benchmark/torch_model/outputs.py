"""Which of a module's outputs has the answer."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.files.ports import Port, choose_output


def tensors(output: Any) -> list[Tensor]:
    """Those of a tensor, a tuple, a dictionary, or what holds such, in their order."""
    return [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor)]


def chosen(output: Any, names: Sequence[str], wanted: tuple[str, ...]) -> tuple[int, Port]:
    """The place among `tensors(output)`, and what is there.

    Raises ModelError naming all where it is not clear which one is meant.

    `names` are the exporter's. The key of a dictionary is a name, too, and is shown.
    """
    found, _ = pytree.tree_flatten_with_path(output)
    leaves = [(path, leaf) for path, leaf in found if isinstance(leaf, Tensor)]
    if not leaves:
        raise ModelError("The model does not answer with a tensor.")
    ports = []
    for place, (path, leaf) in enumerate(leaves):
        keys = [str(key.key) for key in path if isinstance(key, pytree.MappingKey)]
        known = [*keys[-1:], *names[place : place + 1], f"output{place}"]
        ports.append(Port(tuple(known), tuple(leaf.shape), not leaf.is_floating_point()))
    port = choose_output(ports, wanted)
    return ports.index(port), port
