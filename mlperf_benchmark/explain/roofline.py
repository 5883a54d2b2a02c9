"""The roofline model (Williams et al., 2009), with the bandwidths of the caches."""

from collections.abc import Sequence

from mlperf_benchmark.core.layer_profile import Layer
from mlperf_benchmark.explain.record import Peaks

OPERATIONS = 2
"""Operations in one multiply-accumulate."""


def stream(peaks: Peaks, size: int) -> float:
    """Return the bytes per second of reading `size` bytes repeatedly.

    This is the measured rate of the next larger size, or of the last one.
    """
    larger = [one for one in peaks.streams if one.bytes >= size]
    chosen = min(larger, key=lambda one: one.bytes) if larger else peaks.streams[-1]
    return chosen.gigabytes_per_second * 1e9


def arithmetic_seconds(layer: Layer, peaks: Peaks) -> float:
    """Return the shortest time for the kernel's multiply-accumulates; 0 if the peak is unknown."""
    macs = layer.macs if layer.executed_macs is None else layer.executed_macs
    peak = peaks.gops.get(layer.precision)
    return OPERATIONS * macs / (peak * 1e9) if peak else 0.0


def memory_seconds(layer: Layer, peaks: Peaks, all_weights: int) -> float:
    """Return the shortest time for moving the layer's bytes.

    Weights are read at the rate for `all_weights` bytes, as those of the whole model stay in memory
    or cache between inferences; feature maps at the rate for their own size.
    """
    features = layer.input_bytes + layer.output_bytes
    seconds = features / stream(peaks, features)
    return seconds + layer.weight_bytes / stream(peaks, all_weights)


def bound_seconds(layer: Layer, peaks: Peaks, all_weights: int) -> float:
    """Return the shortest time in seconds: arithmetic and memory accesses overlap."""
    return max(arithmetic_seconds(layer, peaks), memory_seconds(layer, peaks, all_weights))


def weights_of(layers: Sequence[Layer]) -> int:
    return sum(layer.weight_bytes for layer in layers)
