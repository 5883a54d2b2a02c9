"""The log of a performance run; compliance runs are performance runs, too."""

from functools import partial
from pathlib import Path

from mlperf_benchmark.loadgen.detail_log import DetailLog
from mlperf_benchmark.loadgen.log_files import ACCURACY_LOG, DETAIL, SUMMARY, TRACE
from mlperf_benchmark.submit import rules
from mlperf_benchmark.submit.audit import kind_of_run
from mlperf_benchmark.submit.checking.finding import Finding, Findings, exactly, note
from mlperf_benchmark.submit.checking.log import RUN_AGAIN, check_log, number
from mlperf_benchmark.submit.checking.scenario import Scenario
from mlperf_benchmark.submit.verification import SCORES

# Tolerated by the checkers, though of no use to them.
BESIDE_LOGS = (TRACE, "results.json")
OF_POWER = ("spl.txt",)
SUT_NAME = "Network SUT"


def check_performance(folder: Path, kind: str, scenario: Scenario) -> Findings:
    """The folder performance/run_1 of a scenario or of a compliance test."""
    if not folder.is_dir():
        yield Finding(folder, "missing", f"Make the {kind} run and the tree again.")
        return
    of_power = OF_POWER if has_power(scenario.folder) and kind == rules.PERFORMANCE else ()
    optional = (ACCURACY_LOG, *BESIDE_LOGS, *of_power)
    yield from exactly(folder, (SUMMARY, DETAIL), optional, "Make the tree again.")
    yield from check_log(folder, scenario.version, partial(_check_run, kind, scenario))


def has_power(scenario: Path) -> bool:
    """Whether power was measured in a scenario's performance run."""
    return (scenario / "performance" / "power").is_dir()


def _check_run(kind: str, scenario: Scenario, path: Path, log: DetailLog) -> Findings:
    used = str(log.effective("scenario"))
    yield from _check_scenario(path, log, used, kind, scenario)
    found = kind_of_run(log)
    if found != kind:
        yield Finding(path, f"a run with the settings of {found}, not {kind}", f"{RUN_AGAIN}.")
    if scenario.over_network and SUT_NAME not in str(log.values.get("sut_name")):
        yield Finding(
            path,
            f'the system under test is not called "{SUT_NAME}" though is_network is true',
            f"{RUN_AGAIN} over the network, or leave is_network out.",
        )
    yield from _check_settings(path, log, used)
    yield from _check_result(path, log, used)


def _check_scenario(
    path: Path, log: DetailLog, used: str, kind: str, scenario: Scenario
) -> Findings:
    name = scenario.name
    if used == name:
        return
    if used not in rules.INFERABLE_FROM.get(name, ()):
        yield Finding(path, f"a run of {used}", f"Put a {name} run here.")
        return
    if not scenario.is_edge:
        yield Finding(
            path,
            f"{name} inferred from a run of {used}",
            f"Only edge systems may: put a {name} run here.",
        )
    elif kind == rules.PERFORMANCE:
        yield note(path, f"{name} is inferred from a run of {used}, which edge systems may")
    if name == "MultiStream" and not number(log, SCORES[name]):
        yield Finding(path, f"too few queries to infer {name} from", f"{RUN_AGAIN}, for longer.")


def _check_settings(path: Path, log: DetailLog, used: str) -> Findings:
    minimum = number(log, "effective_min_duration_ms")
    maximum = number(log, "effective_max_duration_ms")
    if minimum < rules.MIN_DURATION_MS:
        yield _too_little(path, "milliseconds at least", minimum, rules.MIN_DURATION_MS)
    elif 0 < maximum < rules.MIN_DURATION_MS:
        yield _too_little(path, "milliseconds at most", maximum, rules.MIN_DURATION_MS)
    in_memory = number(log, "effective_performance_sample_count")
    if in_memory < rules.PERFORMANCE_SAMPLES:
        yield _too_little(path, "samples in memory", in_memory, rules.PERFORMANCE_SAMPLES)
    samples = number(log, "effective_samples_per_query")
    if used == "Offline" and samples < rules.MIN_OFFLINE_SAMPLES:
        yield _too_little(path, "samples", samples, rules.MIN_OFFLINE_SAMPLES)
    bound = number(log, "effective_target_latency_ns") if used == "Server" else 0
    if bound > rules.SERVER_LATENCY_NS:
        yield Finding(path, f"a latency bound of {bound / 1e6:g} ms", "MLPerf's is 15 ms.")


def _check_result(path: Path, log: DetailLog, used: str) -> Findings:
    validity = log.values.get("result_validity")
    if validity != "VALID":
        reason = str(log.values.get("result_invalid_reason", "")).strip().rstrip(".")
        because = f": {reason}" if reason else ""
        yield Finding(path, f"the result is not VALID{because}", f"{RUN_AGAIN}.")
    if used != "Offline" and log.values.get("early_stopping_met") is not True:
        yield Finding(path, "early stopping is not satisfied", f"{RUN_AGAIN}, for longer.")
    if validity == "VALID" and used in SCORES:
        number(log, SCORES[used])


def _too_little(path: Path, what: str, found: float, needed: int) -> Finding:
    cure = "Run it without --time."
    if what == "samples in memory":
        cure = f"Use a data set of {rules.DATASET_SAMPLES} samples."
    return Finding(path, f"{found} {what} instead of {needed}", cure)
