"""What lowering an operator graph gives."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mlperf_benchmark.core.layer_profile import Layer
from mlperf_benchmark.tvm_compiler.artifact import WorkingMemory
from mlperf_benchmark.tvm_compiler.choosing import Choice
from mlperf_benchmark.tvm_compiler.constants import Constant
from mlperf_benchmark.tvm_compiler.kernels.specs import ConvolutionSpec
from mlperf_benchmark.tvm_compiler.work import Work


@dataclass
class Lowered:
    """A Relax module with the names of our functions in it, its parameters' shapes and dtypes,
    and the weights and the working memory that `main` takes after them, as one tuple.

    `specs` and `tiles` are of the convolutions, by the name of their TIR function; `methods`
    counts the convolutions that each method computes, depthwise ones apart. Multiply-
    accumulates (`macs`) and bytes read and written are for the whole batch: all, those of each
    operator that is left to TVM, the MACs of weights that have to be widened, and those of 8-bit
    weights that compute in float32. `layers` are all that `main` calls, in their order.
    """

    module: Any = None
    kernels: frozenset[str] = frozenset()
    parameters: tuple[tuple[tuple[int, ...], str], ...] = ()
    weights: tuple[Constant, ...] = ()
    working: WorkingMemory = field(default_factory=lambda: WorkingMemory((), ()))
    specs: dict[str, ConvolutionSpec] = field(default_factory=dict)
    tiles: dict[str, Choice] = field(default_factory=dict)
    methods: Counter[str] = field(default_factory=Counter)
    fallbacks: dict[str, Work] = field(default_factory=dict)
    macs: int = 0
    bytes: int = 0
    widened: int = 0
    restored: int = 0
    layers: list[Layer] = field(default_factory=list)
