"""The folders of the compliance tests."""

from pathlib import Path

from mlperf_benchmark.loadgen.log_files import ACCURACY_LOG
from mlperf_benchmark.submit.checking.accuracy import (
    ACCURACY_TEXT,
    check_accuracy_files,
    read_accuracy,
)
from mlperf_benchmark.submit.checking.finding import Finding, Findings, exactly, files, read_lines
from mlperf_benchmark.submit.checking.performance import BESIDE_LOGS, check_performance
from mlperf_benchmark.submit.checking.scenario import Scenario
from mlperf_benchmark.submit.rules import COMPLIANCE_TESTS, TEST01
from mlperf_benchmark.submit.verification import PASS

BASELINE, COMPLIANCE = "baseline_accuracy.txt", "compliance_accuracy.txt"
# Percent by which the accuracies of unlike answers may differ.
MAX_DIFFERENCE = 1.0
AGAIN = "Run the test and make the tree again"


def check_compliance(scenario: Scenario) -> Findings:
    """TEST01 and TEST04 of one scenario."""
    for test in COMPLIANCE_TESTS:
        folder = scenario.folder / test
        if not folder.is_dir():
            yield Finding(folder, "missing", f"{AGAIN}.")
            continue
        run = folder / "performance" / "run_1"
        yield from check_performance(run, test, scenario)
        path = folder / "verify_performance.txt"
        if not any(PASS in line for line in read_lines(path)):
            yield Finding(path, "the performance comparison did not pass", f"{AGAIN}.")
        if test == TEST01:
            yield from _check_answers(folder)


def _check_answers(folder: Path) -> Findings:
    verify, accuracy = folder / "verify_accuracy.txt", folder / "accuracy"
    if not verify.is_file():
        yield Finding(verify, "missing", f"{AGAIN}.")
        return
    needed = {ACCURACY_LOG, ACCURACY_TEXT}
    same = any(line.strip() == PASS for line in read_lines(verify))
    if not same:
        needed |= {BASELINE, COMPLIANCE}
    yield from exactly(accuracy, needed, BESIDE_LOGS, f"{AGAIN}.")
    yield from check_accuracy_files(accuracy)
    if same or not needed <= files(accuracy):
        return
    before, after = read_accuracy(accuracy / BASELINE), read_accuracy(accuracy / COMPLIANCE)
    if not before or not after or abs(1 - before / after) * 100 > MAX_DIFFERENCE:
        yield Finding(
            verify,
            f"answers differ from the accuracy run's, and so does their accuracy: {before} % and "
            f"{after} %",
            "Find out what makes the model answer differently in a performance run.",
        )
