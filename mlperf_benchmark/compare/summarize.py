"""From finished rounds to the rows of the table."""

import dataclasses
import datetime
import statistics
from collections.abc import Mapping, Sequence

from mlperf_benchmark.compare.accuracy import AccuracyOutcome
from mlperf_benchmark.compare.answer_pairs import pair
from mlperf_benchmark.compare.best import answers
from mlperf_benchmark.compare.costs import median_cold_start, median_memory
from mlperf_benchmark.compare.intervals import CONFIDENCE, median
from mlperf_benchmark.compare.matrix import Matrix, metric_for
from mlperf_benchmark.compare.noise import spread_warning
from mlperf_benchmark.compare.plan import Cell, Plan
from mlperf_benchmark.compare.record import (
    KIND,
    SCHEMA_VERSION,
    Comparison,
    Measurement,
    Row,
    Subject,
)
from mlperf_benchmark.compare.round_figures import Measurements, cell_ratios, failures, measured_in
from mlperf_benchmark.compare.store import Round, Store
from mlperf_benchmark.core.cpus import usable_cpus
from mlperf_benchmark.core.machine import describe_system
from mlperf_benchmark.core.turn_protocol import TURN_SCENARIOS
from mlperf_benchmark.core.versions import PRODUCT
from mlperf_benchmark.run.arguments import to_arguments
from mlperf_benchmark.run.result import INVALID, backend_fields
from mlperf_benchmark.run.warnings import chance_warning


def summarize(
    plan: Plan,
    rounds: Sequence[Round],
    store: Store,
    accuracy: Mapping[str, AccuracyOutcome],
    *,
    stopped: str,
    command: Sequence[str],
) -> Comparison:
    """Put the record together. The system is the one that this runs on."""
    measured = measured_in(plan, rounds, store)
    failed = failures(rounds)
    comparison = Comparison(
        kind=KIND,
        schema_version=SCHEMA_VERSION,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        product=PRODUCT,
        title=plan.matrix.title,
        command=list(command),
        seed=plan.matrix.seed,
        confidence=CONFIDENCE,
        stopped=stopped,
        order=[
            [cell.name for group in plan.groups(done.number) for cell in group] for done in rounds
        ],
        rows=_with_not_run(
            plan,
            [
                _row(
                    plan,
                    cell,
                    store=store,
                    measured=measured,
                    failed=failed,
                    accuracy=accuracy,
                )
                for cell in plan.cells
            ],
        ),
        system=dataclasses.asdict(describe_system()),
        queries_per_turn=plan.matrix.queries_per_turn,
        tests_per_run=plan.matrix.tests_per_run,
    )
    best = answers(comparison, plan.matrix.best, plan.matrix.best_by)
    return dataclasses.replace(comparison, best=best)


def _row(
    plan: Plan,
    cell: Cell,
    *,
    store: Store,
    measured: Measurements,
    failed: Mapping[str, str],
    accuracy: Mapping[str, AccuracyOutcome],
) -> Row:
    measurements = list(measured[cell.key].values())
    values = [run.figure(cell.metric) for run in measurements]
    outcome = accuracy[cell.key]
    pairs = pair(outcome, accuracy[cell.baseline])
    failure = failed.get(cell.key)
    ratios = [] if failure or cell.is_baseline else cell_ratios(cell, measured)
    usable = bool(values) and failure is None
    seed = plan.matrix.seed
    # Whatever the machine does to variants that take turns, their ratios are what counts.
    judged = ratios if cell.takes_turns else values
    warnings = _warnings(measurements, judged, cell, store)
    if ratios and cell.baseline in failed:
        warnings.append(f"the speed-up is of the {len(ratios)} rounds before the baseline failed.")
    return Row(
        name=cell.name,
        scenario=cell.scenario,
        threads=cell.threads,
        metric=cell.metric.name,
        baseline=cell.is_baseline,
        command=["python3", "main.py", *_arguments(cell, values)],
        failure=failure,
        subject=_subject(cell, measurements[0].round, store) if measurements else None,
        measurements=measurements,
        latency_ms=_latency(measurements) if usable else None,
        samples_per_second=statistics.median(run.samples_per_second for run in measurements)
        if usable
        else None,
        estimate=median(values, seed) if usable else None,
        speedup=median(ratios, seed) if ratios else None,
        ratios=ratios,
        accuracy=outcome.result,
        accuracy_note=outcome.note,
        accuracy_failed=outcome.failed,
        accuracy_points=_points(outcome, accuracy[cell.baseline]),
        warnings=[
            *warnings,
            *_accuracy_warnings(outcome, measurements, cell, store),
            *pairs.warnings,
        ],
        accuracy_difference=pairs.difference,
        agreement=pairs.agreement,
        right_images=pairs.right_images,
        cold_start=median_cold_start([run.cold_start for run in measurements]) if usable else None,
        memory=median_memory([run.memory for run in measurements]) if usable else None,
        variant=cell.variant,
        sweep=dict(cell.sweep),
    )


def _with_not_run(plan: Plan, rows: Sequence[Row]) -> list[Row]:
    """`rows` of the plan's cells and those of variants that are not run, in the matrix's order."""
    placed = [
        ((cell.scenario, cell.variant), row) for cell, row in zip(plan.cells, rows, strict=True)
    ]
    matrix = plan.matrix
    places = [(scenario, one.name) for scenario in matrix.scenarios for one in matrix.variants]
    placed += [
        ((scenario, variant.name), _not_run(variant.name, variant.not_run, scenario, matrix))
        for scenario in matrix.scenarios
        for variant in matrix.variants
        if variant.not_run is not None
    ]
    return [row for _, row in sorted(placed, key=lambda one: places.index(one[0]))]


def _not_run(name: str, reason: str, scenario: str, matrix: Matrix) -> Row:
    return Row(
        name=name,
        scenario=scenario,
        threads=None,
        metric=metric_for(matrix, scenario).name,
        baseline=False,
        command=[],
        failure=None,
        subject=None,
        measurements=[],
        latency_ms=None,
        samples_per_second=None,
        estimate=None,
        speedup=None,
        ratios=[],
        accuracy=None,
        accuracy_note=None,
        accuracy_failed=False,
        accuracy_points=None,
        warnings=[],
        not_run=reason,
    )


def _arguments(cell: Cell, values: Sequence[float]) -> list[str]:
    """main.py's; where a peak was searched, at the rate that was found."""
    if not cell.searches_peak or not values:
        return list(cell.arguments)
    return [*cell.arguments, *to_arguments({"qps": float(f"{statistics.median(values):.3g}")})]


def _subject(cell: Cell, number: int, store: Store) -> Subject:
    result = store.result(number, cell.key)
    return Subject(
        backend=backend_fields(result.backend),
        model=dataclasses.asdict(result.model) if result.model else None,
        dataset=dataclasses.asdict(result.dataset),
    )


def _latency(measurements: Sequence[Measurement]) -> dict[str, float]:
    """The rounds' median of each of LoadGen's percentiles."""
    return {
        name: statistics.median(run.latency_ms[name] for run in measurements)
        for name in measurements[0].latency_ms
    }


def _points(outcome: AccuracyOutcome, baseline: AccuracyOutcome) -> float | None:
    """The difference in percentage points, where both have the same number of images."""
    ours, base = outcome.result, baseline.result
    if ours is None or base is None or ours.total != base.total:
        return None
    return round(100 * (ours.good - base.good) / base.total, 4)


def _warnings(
    measurements: Sequence[Measurement],
    values: Sequence[float],
    cell: Cell,
    store: Store,
) -> list[str]:
    if not measurements:
        return []
    # What concerns the setting, from the first run; what cures an INVALID one, from the first such.
    invalid = (run.round for run in measurements if run.validity == INVALID)
    numbers = {measurements[0].round, next(invalid, measurements[0].round)}
    warnings = [
        warning for number in sorted(numbers) for warning in store.result(number, cell.key).warnings
    ]
    noise = spread_warning(values, [run.noise for run in measurements], usable_cpus())
    if noise is not None:
        what = "speed-up" if cell.takes_turns else cell.metric.label
        warnings.append(f"{what} {noise} {_way_out(cell)}")
    return list(dict.fromkeys(warnings))


def _accuracy_warnings(
    outcome: AccuracyOutcome, measurements: Sequence[Measurement], cell: Cell, store: Store
) -> list[str]:
    if outcome.result is None or not measurements:
        return []
    classes = store.result(measurements[0].round, cell.key).backend.classes
    return chance_warning(outcome.result.good, outcome.result.total, classes)


def _way_out(cell: Cell) -> str:
    if cell.takes_turns:
        return "More rounds help."
    if cell.scenario in TURN_SCENARIOS:
        return "Turns (queries_per_turn = 4), longer runs or more rounds help."
    if cell.searches_peak:
        return "Longer steps (time) or more rounds help."
    tests = 16 if cell.scenario == "Server" else 8
    return f"Turns (tests_per_run = {tests}), longer runs or more rounds help."
