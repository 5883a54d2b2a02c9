"""Comparisons made of given figures, in place of measured ones."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlperf_benchmark.compare.intervals import median
from mlperf_benchmark.compare.noise import Noise
from mlperf_benchmark.compare.record import Comparison, Measurement, Row, read_comparison
from mlperf_benchmark.compare.sweeps import point_text
from mlperf_benchmark.run.result import AccuracyResult, ColdStart, Memory

FIXTURE = Path(__file__).parents[1] / "fixtures" / "comparison_v1.json"
QUIET = Noise(load_before=0.1, frequency_mhz=(3000.0, 3000.0), steal=0.0, others_cpus=0.0)


def stored() -> Comparison:
    """A real comparison of the sample model: one thread, two threads and a missing model."""
    return read_comparison(FIXTURE)


def with_costs(comparison: Comparison) -> Comparison:
    """The same with a cold start and memory of every measured row, larger from row to row."""
    rows = [
        row
        if row.failure
        else dataclasses.replace(
            row,
            cold_start=ColdStart(0.02, 0.4 + place / 10, 0.05, 0.47 + place / 10, None),
            memory=Memory(*(int(1e7) * number * (place + 2) for number in (3, 4, 8, 9))),
        )
        for place, row in enumerate(comparison.rows)
    ]
    return dataclasses.replace(comparison, rows=rows)


def measurement(number: int, latency: float) -> Measurement:
    return Measurement(
        round=number,
        started=1000.0 + number,
        seconds=1.0,
        latency_ms=dict.fromkeys(("mean", "min", "max", "p50", "p90", "p95", "p97"), latency)
        | {"p99": latency, "p99.9": latency},
        samples_per_second=1000 / latency,
        validity="VALID",
        invalid_reasons=[],
        noise=QUIET,
    )


def row_of(
    name: str,
    latencies: Sequence[float],
    *,
    baseline: Sequence[float] | None = None,
    good: int | None = None,
    **changes: Any,
) -> Row:
    """A row with these p50 latencies in ms. Without `baseline` it is the baseline itself."""
    template = stored().rows[0]
    ratios = [base / own for base, own in zip(baseline or (), latencies, strict=False)]
    row = dataclasses.replace(
        template,
        name=name,
        baseline=baseline is None,
        measurements=[measurement(place + 1, value) for place, value in enumerate(latencies)],
        latency_ms=measurement(1, sorted(latencies)[len(latencies) // 2]).latency_ms,
        estimate=median(latencies, 0),
        ratios=ratios,
        speedup=median(ratios, 0) if ratios else None,
        accuracy=None if good is None else AccuracyResult(100 * good / 1000, good, 1000),
        warnings=[],
    )
    return dataclasses.replace(row, **changes)


def comparison_with(*rows: Row, system: Mapping[str, Any] | None = None) -> Comparison:
    base = stored()
    return dataclasses.replace(base, rows=list(rows), system=base.system | dict(system or {}))


def swept_comparison() -> Comparison:
    """Two models at three rates in Server, one of which is too much, and by threads and streams
    in Offline.
    """
    rows = [
        row_of(
            point_text(variant, point),
            [wait, 1.02 * wait, 0.98 * wait] * 2,
            baseline=None if variant == "fp32" else [1.0] * 6,
            scenario="Server",
            variant=variant,
            sweep=point,
        )
        for variant, slow in (("fp32", 2.0), ("int8", 1.0))
        for rate in (50.0, 100.0, 150.0)
        for point, wait in [({"qps": rate}, 100 * slow / (200 / slow + 60 - rate))]
    ]
    too_much = rows[2].measurements[0]
    rows[2].measurements[0] = dataclasses.replace(too_much, validity="INVALID")
    rows += [
        row_of(
            point_text("fp32", {"threads": threads, "streams": streams}),
            [rate, 1.02 * rate, 0.98 * rate] * 2,
            baseline=None if threads == streams == 1 else [5.0] * 6,
            scenario="Offline",
            metric="p50",
            variant="fp32",
            sweep={"threads": threads, "streams": streams},
        )
        for threads in (1, 2, 4)
        for streams in (1, 2)
        for rate in [10 / (threads + 0.2 * streams)]
    ]
    return comparison_with(*rows)
