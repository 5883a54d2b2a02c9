"""The contract that every quantizer fulfils.

To add one, write one module with a subclass of `Quantizer` and add one line to `QUANTIZERS` in
optimize/config.py.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.parser import flag
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.models.optimize.config import QUANTIZERS, QuantizationConfig
from mlperf_benchmark.models.optimize.images import Images

if TYPE_CHECKING:
    import onnx
    from torch import nn

OF_ALL = frozenset({"quantizer", "keep_fp32", "equalize"})
"""Settings that every quantizer supports."""

OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "bias_correction": "--no-bias-correction",
        "fast_bias_correction": "--full-bias-correction",
    }
)


@dataclass(frozen=True)
class Source:
    """What is to be quantized. `module` is None for an ONNX file made elsewhere.

    `export` turns `module`, in its current state, into an ONNX graph; for a file it returns the
    file's graph. `convert` turns an ONNX graph, quantized (QDQ) or not, into the form that the
    model file format saves.
    """

    module: nn.Module | None
    export: Callable[[Any], onnx.ModelProto]
    convert: Callable[[onnx.ModelProto], Any]


class Quantizer(ABC):
    """One quantization algorithm.

    `summary` describes it in one line with its paper, `method` is its name in model descriptions,
    and `tools` are the packages that it needs in addition to `TOOLS` of the descriptions. `accepts`
    names the further fields of QuantizationConfig that it supports; others raise UsageError.
    `preset` is one of PRESETS. With `needs_module` it cannot quantize ONNX files made elsewhere.
    `precision` is the --precision of prepare.py that it produces.
    """

    summary: ClassVar[str]
    method: ClassVar[str]
    tools: ClassVar[tuple[str, ...]] = ()
    accepts: ClassVar[frozenset[str]]
    range_estimators: ClassVar[tuple[str, ...]] = ("minmax",)
    overflow_fixes: ClassVar[tuple[str, ...]] = ("all", "none")
    needs_module: ClassVar[bool] = False
    needs_images: ClassVar[bool] = True
    precision: ClassVar[str] = "int8"

    def __init__(self, config: QuantizationConfig, preset: str) -> None:
        self.config = config
        self.preset = preset
        for field in dataclasses.fields(config):
            is_given = getattr(config, field.name) != field.default
            if is_given and field.name not in self.accepts | OF_ALL:
                option = OPTIONS.get(field.name, flag(field.name))
                raise UsageError(f"{option} does not apply to --quantizer {config.quantizer}.")
        of_this = f"of --quantizer {config.quantizer}"
        known_name(f"range estimator {of_this}", config.range_estimator, self.range_estimators)
        known_name(f"overflow fix {of_this}", config.overflow_fix, self.overflow_fixes)

    @property
    def corrects_bias(self) -> bool:
        return self.config.bias_correction and "bias_correction" in self.accepts

    @abstractmethod
    def quantize(self, source: Source, images: Images) -> Any:
        """Return the graph, converted, with its convolutions and linear layers in INT8.

        `images` are for calibration; the module may be changed. Raises UnknownNameError for a layer
        of `keep_fp32` that is none, and ModelError.
        """


def make_quantizer(config: QuantizationConfig, preset: str) -> Quantizer:
    """Return the quantizer that `config` names. Raises UsageError."""
    quantizer: Quantizer = QUANTIZERS.load(config.quantizer)(config, preset)
    return quantizer
