"""What to prune, how to train and how to quantize. Quick to import, as it needs no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlperf_benchmark.core.errors import UsageError
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
"""Precisions that quantizers make, and the quantizer of each where none is named. w8 is INT8 of the
weights alone."""
DIGITS = 9
"""Of a part that is taken from 1, so that it reads as it was given."""

CHANNELS = ("all", "inner")

BUDGETS = ("latency", "macs")
"""What a part of goes: the time that an inference takes, measured, or multiply-accumulates."""

PRESETS = ("mixed", "performance")
"""performance: symmetric activations; mixed: asymmetric ones, for activations below zero."""

RANGE_ESTIMATORS = ("minmax", "percentile", "entropy")
"""Range of an activation: the extremes over all images; what holds nearly all values (NNCF: the
widest of the ranges that hold 99.98 % of each image's); what keeps most of the information
(ONNX Runtime alone)."""


OVERFLOW_FIXES = ("all", "first-layer", "none")
"""Layers whose INT8 weights are kept to 7 bits, but for depthwise ones, which need no fix. CPUs
without VNNI add two products of bytes in 16 bits, where 8-bit weights overflow:
EfficientNet-Lite0 then got 179, 180 and 169 of 200 images right with `all`, `first-layer` and
`none`, and answered 196, 190 and 177 of them as in FP32."""


@dataclass(frozen=True)
class PruningConfig:
    """`prune` of the `budget` goes, by channels that `method` chooses within `scope`.

    With the channels `inner`, those that residual sums join are spared as long as the others
    suffice, which costs least accuracy; with `all` they go alike, which gives the fastest models.
    Channel counts become multiples of `round_to`, which fill vector registers: 16 float32
    values in 512 bits. `reconstruct`: layers that read pruned channels are solved anew.
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
        """The part of the budget that does not go."""
        return round(1 - self.prune, DIGITS)


@dataclass(frozen=True)
class QuantizationConfig:
    """Post-training quantization. `preset` None stands for the one of the architecture.

    Which settings a quantizer has, its class says. `fast_bias_correction` tells the fast from the
    full one, where there is `bias_correction`; the layers `keep_fp32` stay in floating point.
    With `equalize` the weights of the torch module are equalised across layers before.
    `max_drop` is the part of top-1 that may be lost, 0.01 for one percentage point, measured on
    the labelled images of `validation_path`; None: any.
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
                raise UsageError(f"--{name.replace('_', '-')} must be above 0.")
        if not 0 <= self.weight_decay < math.inf:
            raise UsageError("--weight-decay must be at least 0.")
