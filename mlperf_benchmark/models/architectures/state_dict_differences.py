"""How a state dict differs from the one that an architecture has, and what to do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

SHOWN = 3
OPTIONAL = ".num_batches_tracked"
MASKED = ("_orig", "_mask")
"""What torch.nn.utils.prune appends to the name of a weight."""
ONNX = "export it to ONNX (torch.onnx.export): main.py runs that file as it is"


@dataclass(frozen=True)
class Differences:
    """Names that lack or are too many, and entries of another shape or kind of number."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    integers: tuple[str, ...]
    wanted_shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def between(cls, wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> "Differences":
        """Of `state` from `wanted`."""
        shared = [name for name in state if name in wanted]
        return cls(
            missing=tuple(
                name for name in wanted if name not in state and not name.endswith(OPTIONAL)
            ),
            unexpected=tuple(name for name in state if name not in wanted),
            shapes={
                name: tuple(state[name].shape)
                for name in shared
                if state[name].shape != wanted[name].shape
            },
            integers=tuple(
                name
                for name in shared
                if wanted[name].is_floating_point() and not state[name].is_floating_point()
            ),
            wanted_shapes={name: tuple(wanted[name].shape) for name in wanted},
        )

    def __str__(self) -> str:
        shapes = [
            f"{name} {shape} instead of {self.wanted_shapes[name]}"
            for name, shape in self.shapes.items()
        ]
        kinds = (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", shapes),
            ("of whole numbers", self.integers),
        )
        return "; ".join(f"{len(names)} {kind} ({some(names)})" for kind, names in kinds if names)

    def cure(self) -> str:
        """One sentence on the most likely cause."""
        if any(name.endswith(MASKED) for name in self.unexpected):
            return "Call torch.nn.utils.prune.remove on each pruned layer before saving."
        if self.missing or self.unexpected:
            return f"If it is another model, {ONNX}."
        if self.integers:
            return f"If it is quantized, {ONNX}."
        (name, shape), *_ = self.shapes.items()
        last = list(self.wanted_shapes)[-2:]
        if self.shapes.keys() <= {*last}:
            return (
                f"It distinguishes {shape[0]} classes, and models here have"
                f" {self.wanted_shapes[name][0]}."
            )
        return f"Its layers have other widths, as after pruning elsewhere: {ONNX}."


def some(names: Sequence[str]) -> str:
    """The first few."""
    more = ", …" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
