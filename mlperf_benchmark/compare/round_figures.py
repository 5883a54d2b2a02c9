"""What finished rounds measured in each cell, and its ratios to the baseline's."""

from collections.abc import Iterable, Mapping, Sequence

from mlperf_benchmark.compare.intervals import round_ratios
from mlperf_benchmark.compare.matrix import Metric
from mlperf_benchmark.compare.plan import Cell, Plan
from mlperf_benchmark.compare.record import Measurement
from mlperf_benchmark.compare.store import Round, Store

Measurements = Mapping[str, Mapping[int, Measurement]]
"""By cell key and round."""


def failures(rounds: Sequence[Round]) -> dict[str, str]:
    """Reason by cell key. A cell that failed once is not tried again."""
    return {
        key: run.failure
        for done in rounds
        for key, run in done.runs.items()
        if run.failure is not None
    }


def measured_in(plan: Plan, rounds: Sequence[Round], store: Store) -> Measurements:
    """What each cell reached in each round in which it did not fail."""
    return {
        cell.key: {run.round: run for run in _measurements(cell, rounds, store)}
        for cell in plan.cells
    }


def cell_ratios(cell: Cell, measured: Measurements) -> list[float]:
    """How many times as fast as the baseline, round by round, where both were measured."""
    own, base = measured[cell.key].values(), measured[cell.baseline].values()
    return ratios_by_round(own, base, cell.metric)


def ratios_by_round(
    own: Iterable[Measurement], base: Iterable[Measurement], metric: Metric
) -> list[float]:
    """How many times as fast as `base`, by `metric`, in each round where both were measured."""
    figures = [{run.round: run.figures_in_turn(metric) for run in runs} for runs in (own, base)]
    return round_ratios(*figures, higher_is_better=metric.higher_is_better)


def _measurements(cell: Cell, rounds: Sequence[Round], store: Store) -> list[Measurement]:
    found = []
    for done in rounds:
        run = done.runs.get(cell.key)
        if run is None or run.failure is not None:
            continue
        result = store.result(done.number, cell.key)
        found.append(
            Measurement(
                round=done.number,
                started=run.started,
                seconds=run.seconds,
                latency_ms=result.timing.latency_ms,
                samples_per_second=result.timing.samples_per_second,
                validity=result.timing.validity,
                invalid_reasons=result.invalid_reasons,
                noise=run.noise,
                cold_start=result.cold_start,
                memory=result.memory,
                qps=result.config.qps,
                tests=result.tests,
            )
        )
    return found
