"""The comparisons of the compliance tests, with the verdicts of MLPerf's run_verification.py.

TEST01 passes where logged answers of a performance run equal those of the accuracy run and the
performance is the same; TEST04 where one sample over and over is not notably faster than many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlperf_benchmark.loadgen.accuracy_log import read_answers, read_entries
from mlperf_benchmark.loadgen.log_files import ACCURACY_LOG
from mlperf_benchmark.submit.finished_run import FinishedRun

PASS, FAIL = "TEST PASS", "TEST FAIL"
TOLERANCE = 0.10
LOOSE_TOLERANCE = 0.20
# Below these scores MLPerf takes the operating system's noise to matter and allows more.
LOOSE_BELOW: Mapping[str, int] = {"SingleStream": 200_000, "MultiStream": 1_600_000}
SCORES: Mapping[str, str] = {
    "SingleStream": "early_stopping_latency_ss",
    "MultiStream": "early_stopping_latency_ms",
    "Server": "result_completed_samples_per_sec",
    "Offline": "result_samples_per_second",
}


@dataclass(frozen=True)
class Verification:
    """`text` is the content of a verify file, `reason` says in plain words why it did not pass."""

    passed: bool
    text: str
    reason: str = ""


def verify_test01_accuracy(test: FinishedRun, accuracy: FinishedRun) -> Verification:
    """Compare each logged answer of the performance run with the accuracy run's."""
    reference_entries = read_entries(accuracy.folder / ACCURACY_LOG)
    entries = read_entries(test.folder / ACCURACY_LOG)
    expected = read_answers(accuracy.folder / ACCURACY_LOG)
    first: dict[int, int] = {}
    repeated = repeated_unlike = 0
    for sample, label in reference_entries:
        repeated += sample in first
        repeated_unlike += first.setdefault(sample, label) != label
    found = unlike = missing = 0
    for sample, label in entries:
        if sample in expected:
            found += 1
            unlike += label != expected[sample]
        else:
            missing += 1
        # As MLPerf's script: a sample's next answer is compared with this one.
        expected[sample] = label
    passed = unlike == 0 and found > 0
    lines = [
        "Verifying accuracy. This might take a while...",
        "Reading accuracy mode results...",
        "Reading performance mode results...",
        f"num_acc_log_entries = {len(reference_entries)}",
        f"num_acc_log_duplicate_keys = {repeated}",
        f"num_acc_log_data_mismatch = {repeated_unlike}",
        f"num_perf_log_entries = {len(entries)}",
        f"num_perf_log_qsl_idx_match = {found}",
        f"num_perf_log_data_mismatch = {unlike}",
        f"num_missing_qsl_idxs = {missing}",
        PASS if passed else FAIL,
    ]
    return Verification(passed, "\n".join(lines) + "\n\n", "answers differ from the accuracy run's")


def verify_test01_performance(test: FinishedRun, performance: FinishedRun) -> Verification:
    """The score may be neither better nor worse than the performance run's."""
    refused = _refused(test, performance)
    if refused is not None:
        return refused
    reference, score = _score(performance), _score(test)
    tolerance = _tolerance(performance.scenario, reference)
    passed = reference * (1 - tolerance) <= score <= reference * (1 + tolerance)
    return _verdict(
        passed,
        (f"Reference score = {reference}", f"Test score = {score}"),
        f"{_speeds(test, performance)}, more than {tolerance:.0%} apart",
    )


def verify_test04(test: FinishedRun, performance: FinishedRun) -> Verification:
    """Issuing one sample over and over may be a tolerance faster than many, and any slower."""
    refused = _refused(test, performance)
    if refused is not None:
        return refused
    reference, score = _rate(performance), _rate(test)
    tolerance = _tolerance(performance.scenario, reference)
    passed = score < reference * (1 + tolerance)
    return _verdict(
        passed,
        (f"reference score = {reference}", f"test score = {score}"),
        f"{_speeds(test, performance)}, more than {tolerance:.0%} faster",
    )


def _refused(test: FinishedRun, performance: FinishedRun) -> Verification | None:
    for run in (performance, test):
        if run.log.values.get("result_validity") != "VALID":
            text = f"{FAIL}: Invalid results in {run.name}\n"
            return Verification(False, text, f"the {run.kind} run is INVALID")
    return None


def _verdict(passed: bool, scores: Sequence[str], reason: str) -> Verification:
    verdict = PASS if passed else f"{FAIL}: Test score invalid"
    text = "\n".join(["Verifying performance.", *scores, verdict]) + "\n"
    return Verification(passed, text, reason)


def _speeds(test: FinishedRun, performance: FinishedRun) -> str:
    """What is compared, in the units of results.json."""
    scale, unit = (1e6, "ms") if test.scenario in LOOSE_BELOW else (1, "samples/s")
    scores = [f"{_score(run) / scale:.4g} {unit}" for run in (test, performance)]
    return f"{scores[0]}, and {scores[1]} in the performance run"


def _score(run: FinishedRun) -> float:
    value: Any = run.log.values.get(SCORES[run.scenario], 0)
    return float(value)


def _rate(run: FinishedRun) -> float:
    """Queries a second from the latency of the streams; 0 where early stopping made no estimate."""
    score = _score(run)
    if run.scenario in LOOSE_BELOW:
        return 1e9 / score if score else 0.0
    return score


def _tolerance(scenario: str, reference: float) -> float:
    return LOOSE_TOLERANCE if reference <= LOOSE_BELOW.get(scenario, -1) else TOLERANCE
