"""Chooses without tuning between a direct convolution and Winograd's method, and the tile."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from mlperf_benchmark.tvm_compiler.kernels.specs import ConvolutionSpec, Tile, WinogradTile
from mlperf_benchmark.tvm_compiler.tiling import Machine, candidate_tiles, expected_cycles
from mlperf_benchmark.tvm_compiler.winograd_tiling import Expected, expected_winograd

Choice = Tile | WinogradTile

DIRECT = "direct"


def choice_from(fields: Mapping[str, Any]) -> Choice:
    """Return the choice that `dataclasses.asdict` turned into `fields`. Raises TypeError."""
    return WinogradTile(**fields) if "outputs" in fields else Tile(**fields)


def method_of(choice: Choice) -> str:
    return choice.method if isinstance(choice, WinogradTile) else DIRECT


@dataclass(frozen=True)
class Rule:
    """The rule for choices; with `exact` it never chooses Winograd's method."""

    machine: Machine
    exact: bool = False

    def choose(self, spec: ConvolutionSpec) -> Choice:
        return self.candidates(spec)[0]

    def candidates(self, spec: ConvolutionSpec) -> list[Choice]:
        """Return the rule's choice, then each method's in turn, the most promising first."""
        direct = candidate_tiles(spec, self.machine.threads)
        winograd = [] if self.exact else expected_winograd(spec, self.machine)
        methods: list[list[Choice]] = [
            [e.tile for e in winograd if e.tile.outputs == outputs]
            for outputs in _methods(winograd)
        ]
        first = bool(winograd) and winograd[0].cycles < expected_cycles(
            spec, direct[0], self.machine
        )
        methods.insert(len(methods) if first else 0, list(direct))
        return [choice for turn in zip_longest(*methods) for choice in turn if choice is not None]


def _methods(expected: list[Expected]) -> list[int]:
    """Return the output sizes of the methods that occur, that of the fastest first."""
    return list(dict.fromkeys(e.tile.outputs for e in expected))
