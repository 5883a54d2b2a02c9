"""What to prune, how to train and how to quantize. Quick to import, as it needs no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.parser import flag
from mlperf_benchmark.core.registry import Registry, known_name

CRITERIA = Registry(
    "pruning method",
    {
        "activation": "mlperf_benchmark.models.optimize.pruning.criteria.activation:Activation",
        "bn-scale": "mlperf_benchmark.models.optimize.pruning.criteria.bn_scale:BatchNormScale",
        "fpgm": "mlperf_benchmark.models.optimize.pruning.criteria.fpgm:GeometricMedian",
        "hessian": "mlperf_benchmark.models.optimize.pruning.criteria.gradients:Hessian",
        "l1": "mlperf_benchmark.models.optimize.pruning.criteria.norms:GroupL1",
        "l2": "mlperf_benchmark.models.optimize.pruning.criteria.norms:GroupL2",
        "lamp": "mlperf_benchmark.models.optimize.pruning.criteria.lamp:Lamp",
        "obs": "mlperf_benchmark.models.optimize.pruning.criteria.obs:OptimalBrainSurgeon",
        "random": "mlperf_benchmark.models.optimize.pruning.criteria.control:Random",
        "taylor": "mlperf_benchmark.models.optimize.pruning.criteria.gradients:Taylor",
    },
    group="mlperf_benchmark.criteria",
)

SCOPES = Registry(
    "pruning scope",
    {
        "fisher": "mlperf_benchmark.models.optimize.pruning.scopes:Fisher",
        "global": "mlperf_benchmark.models.optimize.pruning.scopes:Global",
        "isomorphic": "mlperf_benchmark.models.optimize.pruning.scopes:Isomorphic",
        "uniform": "mlperf_benchmark.models.optimize.pruning.scopes:Uniform",
    },
)

QUANTIZERS = Registry(
    "quantizer",
    {
        "adaround": "mlperf_benchmark.models.optimize.quantizers.adaround:AdaRound",
        "nncf": "mlperf_benchmark.models.optimize.quantizers.nncf_quantizer:Nncf",
        "onnxruntime": "mlperf_benchmark.models.optimize.quantizers.onnxruntime_quantizer"
        ":OnnxRuntime",
        "weights-only": "mlperf_benchmark.models.optimize.quantizers.weights_only:WeightsOnly",
    },
    group="mlperf_benchmark.quantizers",
)

QUANTIZED: Mapping[str, str] = MappingProxyType({"int8": "nncf", "w8": "weights-only"})
"""The precisions that quantizers produce, and the default quantizer of each. In "w8" only the
weights are INT8.
"""
DIGITS = 9
"""Digits to which 1 minus a fraction is rounded, so that it reads as the user would write it."""

CHANNELS = ("all", "inner")

BUDGETS = ("latency", "macs")
"""What the pruned fraction refers to: the measured time of an inference, or
multiply-accumulates.
"""

PRESETS = ("mixed", "performance")
"""performance: symmetric activations; mixed: asymmetric ones, for activations below zero."""

RANGE_ESTIMATORS = ("minmax", "percentile", "entropy")
"""How the range of an activation is found: "minmax" takes the extremes over all images;
"percentile" a range that holds nearly all values (NNCF: the widest of the ranges that hold 99.98 %
of each image's); "entropy" the one that keeps most of the information (ONNX Runtime only).
"""


OVERFLOW_FIXES = ("all", "first-layer", "none")
"""The layers whose INT8 weights are limited to 7 bits, except depthwise ones, which need no fix.
CPUs without VNNI add two products of bytes in 16 bits, which 8-bit weights can overflow:
EfficientNet-Lite0 then got 179, 180 and 169 of 200 images right with `all`, `first-layer` and
`none`, and 196, 190 and 177 of the answers were those of FP32.
"""


@dataclass(frozen=True)
class PruningConfig:
    """The fraction `prune` of the `budget` is removed, by channels that `method` ranks within
    `scope`.

    With channels "inner", those that residual sums connect are spared as long as the others
    suffice, which costs the least accuracy; "all" prunes both alike, which gives the fastest
    models. Channel counts become multiples of `round_to`, which fill vector registers: 16 float32
    values in 512 bits. With `reconstruct`, layers that read pruned channels are solved anew.
    """

    prune: float
    method: str = "l2"
    scope: str = "uniform"
    channels: str = "inner"
    round_to: int = 16
    reconstruct: bool = False
    budget: str = "macs"

    def __post_init__(self) -> None:
        known_name("budget", self.budget, BUDGETS)
        known_name(CRITERIA.kind, self.method, CRITERIA.names())
        known_name(SCOPES.kind, self.scope, SCOPES.names())
        known_name("choice of channels", self.channels, CHANNELS)
        if not 0 < self.prune < 1:
            raise UsageError(
                f"--prune {self.prune:g} is out of range: it is the part of the"
                " multiply-accumulates that goes, above 0 and below 1."
            )
        if self.round_to < 1:
            raise UsageError(f"--round-to {self.round_to} is out of range: it is 1 or more.")

    @property
    def left(self) -> float:
        """The fraction of the budget that is left."""
        return round(1 - self.prune, DIGITS)


@dataclass(frozen=True)
class QuantizationConfig:
    """Settings of post-training quantization. `preset` None stands for that of the architecture.

    The quantizer's class says which settings it supports. `fast_bias_correction` selects the fast
    or the full `bias_correction`; the layers `keep_fp32` stay in floating point. With `equalize`,
    the weights of the torch module are first equalised across layers. `max_drop` is how much top-1
    may drop, 0.01 for one percentage point, measured on the labelled images of `validation_path`;
    None sets no limit.
    """

    quantizer: str = "nncf"
    preset: str | None = None
    range_estimator: str = "minmax"
    bias_correction: bool = True
    fast_bias_correction: bool = True
    overflow_fix: str = "all"
    max_drop: float | None = None
    validation_path: Path | None = None
    keep_fp32: tuple[str, ...] = ()
    equalize: bool = False

    def __post_init__(self) -> None:
        known_name(QUANTIZERS.kind, self.quantizer, QUANTIZERS.names())
        if not self.bias_correction and not self.fast_bias_correction:
            raise UsageError("--no-bias-correction and --full-bias-correction exclude each other.")
        if self.preset is not None:
            known_name("preset", self.preset, PRESETS)
        known_name("range estimator", self.range_estimator, RANGE_ESTIMATORS)
        known_name("overflow fix", self.overflow_fix, OVERFLOW_FIXES)
        if self.max_drop is not None and not 0 <= self.max_drop < 1:
            raise UsageError(
                f"--max-drop {self.max_drop:g} is out of range: it is the part of top-1 that may"
                " be lost, from 0 to below 1."
            )
        if (self.max_drop is None) != (self.validation_path is None):
            raise UsageError(
                "--max-drop and --validation-path belong together: the drop of top-1 is measured"
                " on those labelled images."
            )


@dataclass(frozen=True)
class TrainingConfig:
    """AdamW with a cosine schedule from `learning_rate` to 0 over all `epochs`."""

    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    temperature: float = 2.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{flag(name)} must be above 0.")
        if not 0 <= self.weight_decay < math.inf:
            raise UsageError("--weight-decay must be at least 0.")
