"""Turns measurements into the records of explain.json."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.layer_profile import Layer
from mlperf_benchmark.explain.measuring import Measured
from mlperf_benchmark.explain.operators import operator_of
from mlperf_benchmark.explain.record import LayerRecord, Peaks, Spread, Variant
from mlperf_benchmark.explain.roofline import (
    OPERATIONS,
    arithmetic_seconds,
    bound_seconds,
    memory_seconds,
    weights_of,
)


def summarize(measured: Measured, peaks: Peaks, graph: Sequence[str]) -> Variant:
    """Return the record of one model; `graph` lists the names of its graph files."""
    info, subject = measured.loaded.info, measured.loaded.subject
    medians = np.median(measured.seconds, axis=0)
    total, weights = float(medians.sum()), weights_of(measured.layers)
    layers = tuple(
        _record(layer, measured.seconds[:, place], total, peaks, weights)
        for place, layer in enumerate(measured.layers)
    )
    return Variant(
        name=subject.name,
        model=str(subject.file),
        backend=subject.backend,
        version=info.version,
        threads=info.threads,
        executed_precision=info.executed_precision,
        batch=info.max_batch_size,
        latency_ms=spread(measured.latencies),
        layers_ms=total * 1e3,
        layers=layers,
        graph=tuple(graph),
    )


def spread(seconds: NDArray[np.float64]) -> Spread:
    """Return the median and quartiles in milliseconds."""
    low, middle, high = np.percentile(seconds, (25, 50, 75)) * 1e3
    return Spread(float(middle), float(low), float(high))


def _record(
    layer: Layer, seconds: NDArray[np.float64], total: float, peaks: Peaks, weights: int
) -> LayerRecord:
    taken = spread(seconds)
    median = taken.value / 1e3
    executed = layer.macs if layer.executed_macs is None else layer.executed_macs
    arithmetic = arithmetic_seconds(layer, peaks)
    return LayerRecord(
        name=layer.name,
        operator=operator_of(layer),
        kind=layer.kind,
        origins=layer.origins,
        kernel=layer.kernel,
        precision=layer.precision,
        macs=layer.macs,
        executed_macs=executed,
        input_bytes=layer.input_bytes,
        weight_bytes=layer.weight_bytes,
        output_bytes=layer.output_bytes,
        input_channels=layer.input_channels,
        output_channels=layer.output_channels,
        ms=taken,
        share=median / total if total else 0.0,
        bound_ms=1e3 * bound_seconds(layer, peaks, weights),
        gops=OPERATIONS * layer.macs / median / 1e9 if layer.macs and median else None,
        peak_share=arithmetic / median if arithmetic and median else None,
        stream_share=memory_seconds(layer, peaks, weights) / median if median else None,
    )
