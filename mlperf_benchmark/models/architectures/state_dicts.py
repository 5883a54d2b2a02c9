"""Finds the weights of an architecture in what a training script saved."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from mlperf_benchmark.models.architectures.torch_file import StandIn

DEPTH = 4
COUNTERS = ("total_ops", "total_params", "n_averaged")
"""What profilers and averaging leave in a state dict; answers do not depend on it."""
AVERAGED = frozenset({"ema", "swa", "averaged"})
BACKBONE, HEAD = "backbone.", "head."
"""Toolboxes keep the classifier beside the rest of the network."""


@dataclass(frozen=True)
class Reading:
    """One way to read the file: the tensors of `entries` whose names begin with `prefix`.

    `place` are the keys that lead to `entries`.
    """

    place: tuple[str, ...]
    prefix: str
    entries: Mapping[str, Tensor]
    wanted: Mapping[str, Tensor]

    @cached_property
    def state(self) -> dict[str, Tensor]:
        """Everything below the prefix but counters, by the architecture's names where it can be."""
        state = {
            name.removeprefix(self.prefix): tensor
            for name, tensor in self.entries.items()
            if name.startswith(self.prefix)
        }
        for name in self.wanted.keys() - state.keys():
            head = f"{self.prefix.removesuffix(BACKBONE)}{HEAD}{name}"
            if self.prefix.endswith(BACKBONE) and head in self.entries:
                state[name] = self.entries[head]
        return {
            name: tensor
            for name, tensor in state.items()
            if name in self.wanted or name.rpartition(".")[2] not in COUNTERS
        }

    @cached_property
    def fitting(self) -> tuple[int, int]:
        """How many names and shapes, and how many names, are the architecture's."""
        shared = self.state.keys() & self.wanted.keys()
        same = sum(self.state[name].shape == self.wanted[name].shape for name in shared)
        return same, len(shared)

    @property
    def is_averaged(self) -> bool:
        words = re.split(r"[._]", self.name.lower())
        return not AVERAGED.isdisjoint(words)

    @property
    def name(self) -> str:
        """For people: the keys and the prefix, or nothing for a plain state dict."""
        return ".".join((*self.place, self.prefix.rstrip("."))).strip(".")

    def left_out(self, others: Sequence["Reading"]) -> list[str]:
        """The tensors beside those taken, but for counters and what `others` would take."""
        taken = {id(tensor) for tensor in self.state.values()}
        prefixes = tuple(one.prefix for one in others if one.entries is self.entries)
        return [
            name
            for name, tensor in self.entries.items()
            if id(tensor) not in taken
            and not name.startswith(prefixes)
            and name.rpartition(".")[2] not in COUNTERS
        ]


def find_weights(
    content: Any, wanted: Mapping[str, Tensor]
) -> tuple[Reading, list[Reading]] | None:
    """The state dict in `content` that fits `wanted` best, and those that fit as well.

    Averaged weights (EMA) come before others, as they are those that are published. None where
    there is no tensor with a name.
    """
    readings = [
        Reading(place, prefix, entries, wanted)
        for place, entries in _mappings(content, ())
        for prefix in _prefixes(entries, wanted)
    ]
    if not readings:
        return None
    best = max(readings, key=lambda one: (*one.fitting, one.is_averaged))
    return best, [one for one in readings if one is not best and one.fitting == best.fitting]


def _mappings(content: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every mapping of names to tensors, with the keys that lead to it."""
    if isinstance(content, StandIn):
        tensors = dict(_of_module(content, ""))
        content = tensors or content.state
    if isinstance(content, list | tuple):
        content = dict(enumerate(content))
    if not isinstance(content, Mapping) or len(place) > DEPTH:
        return
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        yield place, tensors
    for key, value in content.items():
        yield from _mappings(value, (*place, str(key)))


def _of_module(module: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """The state dict of a module that was saved as a whole."""
    state = module.state if isinstance(module, StandIn) else None
    if not isinstance(state, Mapping):
        return
    for kind in ("_parameters", "_buffers"):
        for name, tensor in (state.get(kind) or {}).items():
            if isinstance(tensor, Tensor):
                yield f"{prefix}{name}", tensor
    for name, child in (state.get("_modules") or {}).items():
        yield from _of_module(child, f"{prefix}{name}.")


def _prefixes(entries: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """What may stand before the architecture's names: "module.", "model.backbone.", nothing."""
    found: Counter[str] = Counter()
    for name in entries:
        parts = name.split(".")
        for cut in range(len(parts)):
            if ".".join(parts[cut:]) in wanted:
                found["".join(f"{part}." for part in parts[:cut])] += 1
    return [prefix for prefix, _ in found.most_common(3)] or [""]
