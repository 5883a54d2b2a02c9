"""What finished rounds measured: each cell's figures, and its ratios to the baseline's."""

from collections.abc import Mapping, Sequence

from mlperf_benchmark.compare.intervals import round_ratios
from mlperf_benchmark.compare.plan import Cell, Plan
from mlperf_benchmark.compare.record import Measurement
from mlperf_benchmark.compare.store import Round, Store

Figures = Mapping[str, Mapping[int, float]]
"""The metric by cell key and round."""


def failures(rounds: Sequence[Round]) -> dict[str, str]:
    """Reason by cell key. A cell that failed once is not tried again."""
    return {
        key: run.failure
        for done in rounds
        for key, run in done.runs.items()
        if run.failure is not None
    }


def figures_of(plan: Plan, rounds: Sequence[Round], store: Store) -> Figures:
    """What each cell reached in each round in which it did not fail."""
    return {
        cell.key: {
            run.round: run.figure(cell.metric) for run in measurements_of(cell, rounds, store)
        }
        for cell in plan.cells
    }


def cell_ratios(cell: Cell, figures: Figures) -> list[float]:
    """How many times as fast as the baseline, round by round, where both were measured."""
    return round_ratios(
        figures[cell.key],
        figures[cell.baseline],
        higher_is_better=cell.metric.higher_is_better,
    )


def measurements_of(cell: Cell, rounds: Sequence[Round], store: Store) -> list[Measurement]:
    """One for each round in which the cell did not fail."""
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
            )
        )
    return found
