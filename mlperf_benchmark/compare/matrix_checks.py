"""What a matrix must keep to, wherever it was read."""

from mlperf_benchmark.compare.best import check_best
from mlperf_benchmark.compare.matrix import METRICS, PEAK, Matrix
from mlperf_benchmark.compare.sweeps import SWEEPS
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.option_values import LARGEST, LARGEST_SEED, LARGEST_WHOLE
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.core.run_config import SCENARIOS
from mlperf_benchmark.core.turn_protocol import TEST_TURN_SCENARIOS, TURN_SCENARIOS


def checked(matrix: Matrix) -> Matrix:
    """`matrix`. Raises UsageError for names, values and numbers that make no sense in it."""
    run = [variant.name for variant in matrix.variants if variant.not_run is None]
    if not run:
        raise UsageError(
            "there is nothing to compare: add [[variant]] or [[recipe]] tables or [axes]."
        )
    names = [variant.name for variant in matrix.variants]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f'two variants are called "{name}".')
    for axis, values in (("scenario", matrix.scenarios), *matrix.sweeps.items()):
        if len(set(values)) < len(values):
            raise UsageError(f"{axis} names a value twice.")
    if matrix.baseline is not None:
        known_name("variant as baseline", matrix.baseline, run)
    if matrix.metric is not None:
        known_name("metric", matrix.metric, METRICS)
    for scenario in matrix.scenarios:
        known_name("scenario", scenario, SCENARIOS)
    check_best(matrix.best, matrix.best_by)
    check_course(matrix)
    return matrix


def check_course(matrix: Matrix) -> None:
    """Raises UsageError for numbers of turns, rounds or seconds that make no sense."""
    stopping = matrix.stopping
    for name, number in (
        ("queries_per_turn", matrix.queries_per_turn),
        ("tests_per_run", matrix.tests_per_run),
        ("rounds", stopping.rounds),
    ):
        if number is not None and number < 1:
            raise UsageError(f"{name} must be at least 1.")
        if number is not None and number > LARGEST_WHOLE:
            raise UsageError(f"{name} must be {LARGEST_WHOLE} at most.")
    if matrix.queries_per_turn is not None and not {*matrix.scenarios} & {*TURN_SCENARIOS}:
        raise UsageError(
            f"queries_per_turn needs {' or '.join(TURN_SCENARIOS)}: in other scenarios queries do "
            "not wait for each other."
        )
    if matrix.tests_per_run is not None and not {*matrix.scenarios} & {*TEST_TURN_SCENARIOS}:
        raise UsageError(
            f"tests_per_run needs {' or '.join(TEST_TURN_SCENARIOS)}; others have queries_per_turn."
        )
    for axis in matrix.sweeps:
        wanted = SWEEPS[axis].scenarios
        if not {*matrix.scenarios} & {*wanted}:
            raise UsageError(f"{axis} in [axes] needs the scenario {' or '.join(wanted)}.")
    if matrix.metric == PEAK.name and "Server" not in matrix.scenarios:
        raise UsageError("the metric peak_qps is a rate of the scenario Server.")
    if matrix.metric == PEAK.name and "qps" in matrix.sweeps:
        raise UsageError("the metric peak_qps finds the rate itself: leave qps out of [axes].")
    if not 0 < stopping.precision_goal < 1:
        raise UsageError("precision_goal is a share between 0 and 1, such as 0.03 for 3 %.")
    if not 0 < stopping.max_time <= LARGEST:
        raise UsageError(f"max_time is a number of seconds above 0, {LARGEST:g} at most.")
    if not 0 <= matrix.seed <= LARGEST_SEED:
        raise UsageError(f"seed is a whole number from 0 to {LARGEST_SEED}.")
