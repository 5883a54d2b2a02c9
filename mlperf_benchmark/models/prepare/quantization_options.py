"""The options that say how to quantize."""

import argparse
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.option_values import not_negative
from mlperf_benchmark.models.optimize.config import (
    OVERFLOW_FIXES,
    PRESETS,
    QUANTIZERS,
    RANGE_ESTIMATORS,
)
from mlperf_benchmark.models.prepare.listings import Listing, quantizers


def add_quantization(parser: argparse.ArgumentParser, when: str) -> argparse._ArgumentGroup:
    """Add the options that say how to quantize; their names are fields of QuantizationConfig.

    Returns their group.
    """
    group = parser.add_argument_group(f"quantization, {when}")
    add = group.add_argument
    add(
        "--quantizer",
        metavar="NAME",
        help=f"algorithm: {', '.join(QUANTIZERS.names())} (default: nncf)",
    )
    add(
        "--list-quantizers",
        action=Listing,
        text=quantizers,
        help="explain the quantizers and exit",
    )
    add("--preset", help=f"{' or '.join(PRESETS)} (default: what suits the model)")
    add(
        "--range-estimator",
        metavar="NAME",
        help=f"of activations: {', '.join(RANGE_ESTIMATORS)} (onnxruntime only) (default: minmax)",
    )
    add(
        "--full-bias-correction",
        dest="fast_bias_correction",
        action="store_false",
        help="correct biases more exactly, and more slowly",
    )
    add(
        "--no-bias-correction",
        dest="bias_correction",
        action="store_false",
        help="do not correct the means of the outputs",
    )
    add(
        "--overflow-fix",
        metavar="NAME",
        help=f"layers with 7-bit weights, for CPUs without VNNI: {', '.join(OVERFLOW_FIXES)}"
        " (default: all)",
    )
    add(
        "--keep-fp32",
        nargs="+",
        action=Names,
        metavar="LAYER",
        help="leave these layers of the ONNX graph, such as those that --max-drop names, in"
        " floating point (mixed precision)",
    )
    return group


def add_accuracy_control(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--max-drop",
        type=not_negative,
        metavar="D",
        help="top-1 that may be lost, 0.01 for one point: layers that cost most stay in FP32",
    )
    add(
        "--validation-path",
        type=Path,
        metavar="DIR",
        help="labelled images to measure this on; neither calibration nor evaluation images",
    )
    add(
        "--equalize",
        action="store_true",
        help="first bring the weights on both sides of a ReLU to the same range, channel by channel"
        " (cross-layer equalisation); not for ONNX files",
    )


class Names(argparse.Action):
    """An option whose values are kept as a tuple, because configuration is immutable.

    Given again, it adds to them.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        earlier = getattr(namespace, self.dest, ())
        setattr(namespace, self.dest, tuple(dict.fromkeys((*earlier, *values))))
