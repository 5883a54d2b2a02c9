"""Explanations made up for tests of what follows from measurements."""

import dataclasses
from typing import Any

from mlperf_benchmark.core.layer_profile import CONVOLUTION
from mlperf_benchmark.explain.record import (
    Explanation,
    LayerRecord,
    Peaks,
    Spread,
    Stream,
    Variant,
)
from mlperf_benchmark.explain.rules.registry import statements

PEAKS = Peaks(
    threads=2,
    lanes=16,
    gops={"f32": 200.0, "int8": 800.0},
    streams=(Stream(1 << 20, 100.0), Stream(1 << 27, 20.0)),
)


def layer(operator: str, ms: float, **changes: Any) -> LayerRecord:
    """A convolution of 64 channels at half of the FP32 peak; quartiles 2 % beside the median."""
    macs = int(ms / 2 * 1e-3 * 200e9 / 2)
    plain = LayerRecord(
        name=operator,
        operator=operator,
        kind=CONVOLUTION,
        origins=(f"/{operator}/Conv",),
        kernel="brgconv",
        precision="f32",
        macs=macs,
        executed_macs=macs,
        input_bytes=1000,
        weight_bytes=1000,
        output_bytes=1000,
        input_channels=64,
        output_channels=64,
        ms=Spread(ms, 0.98 * ms, 1.02 * ms),
        share=0.0,
        bound_ms=ms / 2,
        gops=100.0,
        peak_share=0.5,
        stream_share=0.01,
    )
    return dataclasses.replace(plain, **changes)


def variant(name: str, *layers: LayerRecord, **changes: Any) -> Variant:
    total = sum(one.ms.value for one in layers)
    plain = Variant(
        name=name,
        model=f"{name}.xml",
        backend="openvino",
        version="1",
        threads=2,
        executed_precision="f32",
        batch=1,
        latency_ms=Spread(total, total, total),
        layers_ms=total,
        layers=layers,
    )
    return dataclasses.replace(plain, **changes)


def told(rule: str, *variants: Variant) -> list[str]:
    """The sentences of one rule, with their advice."""
    found = [one for one in statements(variants, PEAKS) if one.rule == rule]
    return [f"{one.text}. {one.advice}".strip(". ") for one in found]


def explanation(*variants: Variant) -> Explanation:
    return Explanation(
        created="2026-11-25T12:00:00+00:00",
        product="mlperf-benchmark 0",
        command=("explain.py", "a.xml", "b.xml"),
        inferences=200,
        peaks=PEAKS,
        variants=variants,
        statements=tuple(statements(variants, PEAKS)),
        system={"cpu_model": "a processor", "packages": {"openvino": "1"}},
        warnings=(),
    )
