"""The folders of the compliance tests: verified runs, in the layout of run_verification.py."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from mlperf_benchmark.loadgen.accuracy_log import read_answers
from mlperf_benchmark.loadgen.log_files import ACCURACY_LOG, DETAIL, SUMMARY
from mlperf_benchmark.submit.accuracy_files import accuracy_line, labels_of, measure, write_accuracy
from mlperf_benchmark.submit.finished_run import FinishedRun
from mlperf_benchmark.submit.rules import PERFORMANCE, TEST01, TEST04
from mlperf_benchmark.submit.verification import (
    Verification,
    verify_test01_accuracy,
    verify_test01_performance,
    verify_test04,
)

PERFORMANCE_COMPARISONS: Mapping[str, Callable[[FinishedRun, FinishedRun], Verification]] = (
    MappingProxyType({TEST01: verify_test01_performance, TEST04: verify_test04})
)


def unlike_speeds(runs: Mapping[str, FinishedRun]) -> dict[str, str]:
    """The tests among a scenario's VALID runs that are not as fast as they must be, and why."""
    valid = {kind: run for kind, run in runs.items() if run.is_valid}
    if PERFORMANCE not in valid:
        return {}
    compared = {
        test: verify(valid[test], valid[PERFORMANCE])
        for test, verify in PERFORMANCE_COMPARISONS.items()
        if test in valid
    }
    return {test: verdict.reason for test, verdict in compared.items() if not verdict.passed}


def write_test01(
    folder: Path, test: FinishedRun, performance: FinishedRun, accuracy: FinishedRun
) -> list[str]:
    """Write the folder TEST01; returns what failed, in words."""
    answers = verify_test01_accuracy(test, accuracy)
    speed = verify_test01_performance(test, performance)
    (folder / "accuracy").mkdir(parents=True)
    (folder / "verify_accuracy.txt").write_text(answers.text, encoding="utf-8")
    (folder / "verify_performance.txt").write_text(speed.text, encoding="utf-8")
    write_accuracy(test, folder / "accuracy")
    if not answers.passed:
        _write_both_accuracies(folder / "accuracy", test, accuracy)
    copy_logs(test, folder / "performance" / "run_1")
    return [f"{test.name}: {one.reason}" for one in (answers, speed) if not one.passed]


def write_test04(folder: Path, test: FinishedRun, performance: FinishedRun) -> list[str]:
    """Write the folder TEST04; returns what failed, in words."""
    speed = verify_test04(test, performance)
    copy_logs(test, folder / "performance" / "run_1")
    (folder / "verify_performance.txt").write_text(speed.text, encoding="utf-8")
    return [] if speed.passed else [f"{test.name}: {speed.reason}"]


def copy_logs(run: FinishedRun, folder: Path) -> None:
    """Copy the two logs that each run of a tree has."""
    folder.mkdir(parents=True)
    for name in (SUMMARY, DETAIL):
        shutil.copyfile(run.folder / name, folder / name)


def _write_both_accuracies(folder: Path, test: FinishedRun, accuracy: FinishedRun) -> None:
    """Where answers differ from run to run, the accuracies on the logged samples count."""
    labels = labels_of(accuracy)
    logged = read_answers(test.folder / ACCURACY_LOG)
    reference = read_answers(accuracy.folder / ACCURACY_LOG)
    same_samples = {sample: reference[sample] for sample in logged}
    for name, answers in (("baseline", same_samples), ("compliance", logged)):
        line = accuracy_line(measure(answers, labels))
        (folder / f"{name}_accuracy.txt").write_text(line, encoding="utf-8")
