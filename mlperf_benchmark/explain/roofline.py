"""What the machine's peaks allow: the roofline model (Williams et al., 2009), aware of caches."""

from collections.abc import Sequence

from mlperf_benchmark.core.layer_profile import Layer
from mlperf_benchmark.explain.record import Peaks

OPERATIONS = 2
"""Of a multiply-accumulate."""


def stream(peaks: Peaks, size: int) -> float:
    """Bytes a second of reading `size` bytes again and again: the next larger one measured."""
    larger = [one for one in peaks.streams if one.bytes >= size]
    chosen = min(larger, key=lambda one: one.bytes) if larger else peaks.streams[-1]
    return chosen.gigabytes_per_second * 1e9


def arithmetic_seconds(layer: Layer, peaks: Peaks) -> float:
    """The least for the multiply-accumulates that the kernel needs; 0 where no peak is known."""
    macs = layer.macs if layer.executed_macs is None else layer.executed_macs
    peak = peaks.gops.get(layer.precision)
    return OPERATIONS * macs / (peak * 1e9) if peak else 0.0


def memory_seconds(layer: Layer, peaks: Peaks, all_weights: int) -> float:
    """The least for the layer's bytes. Weights come from where those of the whole model stay from
    one inference to the next, feature maps from where those of the layer fit.
    """
    features = layer.input_bytes + layer.output_bytes
    seconds = features / stream(peaks, features)
    return seconds + layer.weight_bytes / stream(peaks, all_weights)


def bound_seconds(layer: Layer, peaks: Peaks, all_weights: int) -> float:
    """The least time: arithmetic and memory side by side."""
    return max(arithmetic_seconds(layer, peaks), memory_seconds(layer, peaks, all_weights))


def weights_of(layers: Sequence[Layer]) -> int:
    return sum(layer.weight_bytes for layer in layers)
