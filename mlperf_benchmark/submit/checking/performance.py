"""The log of a performance run, which the compliance runs are, too."""

from pathlib import Path
from typing import Any

from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.loadgen.detail_log import DetailLog, read_detail_log
from mlperf_benchmark.submit import rules
from mlperf_benchmark.submit.audit import kind_of_run
from mlperf_benchmark.submit.checking.finding import Finding, Findings, exactly
from mlperf_benchmark.submit.finished_run import ACCURACY_LOG, DETAIL, SUMMARY

RUN_AGAIN = "Run it again"
# Tolerated by the checkers, though of no use to them.
OPTIONAL = (ACCURACY_LOG, "mlperf_log_trace.json", "results.json")


def check_performance(
    folder: Path, kind: str, scenario: str, version: rules.RulesVersion
) -> Findings:
    """The folder performance/run_1 of a scenario or of a compliance test."""
    if not folder.is_dir():
        yield Finding(folder, "missing", f"Make the {kind} run and the tree again.")
        return
    yield from exactly(folder, (SUMMARY, DETAIL), OPTIONAL, "Make the tree again.")
    path = folder / DETAIL
    try:
        log = read_detail_log(folder)
        yield from check_log(path, log, version)
        yield from _check_settings(path, log, kind, scenario)
    except RunError as error:
        yield Finding(path, str(error).rstrip("."), f"{RUN_AGAIN}.")
    except KeyError as error:
        yield Finding(path, f"LoadGen's entry {error} is missing", f"{RUN_AGAIN}.")
    else:
        yield from _check_result(path, log, scenario)


def check_log(path: Path, log: DetailLog, version: rules.RulesVersion) -> Findings:
    """What holds for the log of any run: no errors, and the round's seeds."""
    for error in log.errors:
        yield Finding(path, f"LoadGen logged an error: {error}", f"{RUN_AGAIN}.")
    counted = int(log.values.get("num_errors", 0))
    if counted and not log.errors:
        yield Finding(path, f"LoadGen counted {counted} errors", f"{RUN_AGAIN}.")
    wrong = [name for name, seed in version.seeds.items() if log.effective(name) != seed]
    if wrong:
        loadgen = str(log.values.get("loadgen_version", "")).partition(" ")[0]
        yield Finding(
            path,
            f"{', '.join(wrong)} of LoadGen {loadgen} do not belong to {version.name}",
            f"{RUN_AGAIN} with LoadGen {version.loadgen}.",
        )


def _check_settings(path: Path, log: DetailLog, kind: str, scenario: str) -> Findings:
    used = str(log.effective("scenario"))
    if used != scenario:
        yield Finding(path, f"a run of {used}", f"Put a {scenario} run here.")
    found = kind_of_run(log)
    if found != kind:
        yield Finding(path, f"a run with the settings of {found}, not {kind}", f"{RUN_AGAIN}.")
    minimum, maximum = int(log.effective("min_duration_ms")), int(log.effective("max_duration_ms"))
    if minimum < rules.MIN_DURATION_MS:
        yield _too_little(path, "milliseconds at least", minimum, rules.MIN_DURATION_MS)
    elif 0 < maximum < rules.MIN_DURATION_MS:
        yield _too_little(path, "milliseconds at most", maximum, rules.MIN_DURATION_MS)
    in_memory = int(log.effective("performance_sample_count"))
    if in_memory < rules.PERFORMANCE_SAMPLES:
        yield _too_little(path, "samples in memory", in_memory, rules.PERFORMANCE_SAMPLES)
    samples = int(log.effective("samples_per_query"))
    if used == "Offline" and samples < rules.MIN_OFFLINE_SAMPLES:
        yield _too_little(path, "samples", samples, rules.MIN_OFFLINE_SAMPLES)
    bound = int(log.effective("target_latency_ns"))
    if used == "Server" and bound > rules.SERVER_LATENCY_NS:
        yield Finding(path, f"a latency bound of {bound / 1e6:g} ms", "MLPerf's is 15 ms.")


def _check_result(path: Path, log: DetailLog, scenario: str) -> Findings:
    values: dict[str, Any] = log.values
    if values.get("result_validity") != "VALID":
        reason = str(values.get("result_invalid_reason", "")).strip().rstrip(".")
        because = f": {reason}" if reason else ""
        yield Finding(path, f"the result is not VALID{because}", f"{RUN_AGAIN}.")
    if scenario != "Offline" and not values.get("early_stopping_met"):
        yield Finding(path, "early stopping is not satisfied", f"{RUN_AGAIN}, for longer.")


def _too_little(path: Path, what: str, found: int, needed: int) -> Finding:
    cure = "Run it without --time."
    if what == "samples in memory":
        cure = f"Use a data set of {rules.DATASET_SAMPLES} samples."
    return Finding(path, f"{found} {what} instead of {needed}", cure)
