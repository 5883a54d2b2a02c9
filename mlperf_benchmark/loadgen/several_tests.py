"""Makes one outcome of the tests of a run that has several (`--tests-per-run`)."""

import statistics
from collections.abc import Sequence

from mlperf_benchmark.loadgen.detail_log import DetailLog, Performance, performance

CONFIDENCE = 0.99
"""Of LoadGen's early stopping (kConfidence in loadgen/results.cc)."""


def together(logs: Sequence[DetailLog]) -> Performance:
    """The figures of a run of several tests, all with the same number of samples.

    Its throughput is all samples over all their time, which is the harmonic mean; each latency is
    the median of the tests', except the smallest and the largest, which are those of all. It is
    valid if all are, except that in Server the bound of the latency is judged over the queries of
    all.
    Raises RunError when a log holds no result.
    """
    tests = [performance(log, paused=True) for log in logs]
    joins = {"min": min, "max": max}
    reasons, early_stopping = _server(logs, tests) if _is_server(logs) else _others(tests)
    return Performance(
        valid=not reasons,
        invalid_reasons=tuple(dict.fromkeys(reasons)),
        loadgen_errors=sum(test.loadgen_errors for test in tests),
        latency_ms={
            name: joins.get(name, statistics.median)(test.latency_ms[name] for test in tests)
            for name in tests[0].latency_ms
        },
        samples_per_second=statistics.harmonic_mean([test.samples_per_second for test in tests]),
        queries=sum(test.queries for test in tests),
        early_stopping=early_stopping,
        tests=tuple(tests),
    )


def queries_needed(late: int, percentile: float) -> int:
    """The fewest queries, `late` of them over the bound, that satisfy early stopping.

    With LoadGen's confidence, a share of `percentile` is then within the bound (MinPassingQueries
    in loadgen/early_stopping.cc).
    """
    # Takes half a second to import, and few runs need it.
    from scipy.stats import nbinom  # noqa: PLC0415

    return late + 1 + int(nbinom.ppf(CONFIDENCE, late + 1, 1 - percentile))


def _is_server(logs: Sequence[DetailLog]) -> bool:
    return bool(logs[0].values["effective_scenario"] == "Server")


def _others(tests: Sequence[Performance]) -> tuple[list[str], str]:
    """The reasons why the run is INVALID, and what early stopping says."""
    reasons = [text for one in tests for text in one.invalid_reasons]
    return reasons, tests[0].early_stopping


def _server(logs: Sequence[DetailLog], tests: Sequence[Performance]) -> tuple[list[str], str]:
    """The same in Server, where a short test has too few queries for early stopping."""
    queries = sum(test.queries for test in tests)
    late = sum(int(log.values["result_overlatency_query_count"]) for log in logs)
    percentile = float(logs[0].effective("target_latency_percentile"))
    needed = queries_needed(late, percentile)
    counted = f"Processed {queries} queries in {len(tests)} tests, {late} of them over the bound."
    reasons = [
        text
        for log, test in zip(logs, tests, strict=True)
        for text in test.invalid_reasons
        if not _misses_only_the_bound(log, test)
    ]
    if needed <= queries:
        return reasons, f"{counted} Run successful."
    stopping = f"{counted} Would need to run at least {needed - queries} more queries."
    if late > queries * (1 - percentile):
        # LoadGen's word for a missed bound.
        reasons.append(f"{counted} Reduce target QPS to improve latency.")
    return reasons or [f"Early stopping is not satisfied: {stopping}"], stopping


def _misses_only_the_bound(log: DetailLog, test: Performance) -> bool:
    met = (log.values["result_min_duration_met"], log.values["result_min_queries_met"])
    return all(met) and not test.loadgen_errors and not log.errors
