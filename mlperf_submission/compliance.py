"""The folders of the compliance tests: verified runs, in the layout of run_verification.py."""

import shutil
from pathlib import Path

from loadgen.accuracy_log import read_answers
from mlperf_submission.accuracy_files import accuracy_line, labels_of, measure, write_accuracy
from mlperf_submission.finished_run import ACCURACY_LOG, DETAIL, SUMMARY, FinishedRun
from mlperf_submission.verification import (
    verify_test01_accuracy,
    verify_test01_performance,
    verify_test04,
)


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
    failed = []
    if not answers.passed:
        failed.append(_failure(test, "answers differ from the accuracy run's"))
    if not speed.passed:
        failed.append(_failure(test, "the performance is not the performance run's"))
    return failed


def write_test04(folder: Path, test: FinishedRun, performance: FinishedRun) -> list[str]:
    """Write the folder TEST04; returns what failed, in words."""
    speed = verify_test04(test, performance)
    copy_logs(test, folder / "performance" / "run_1")
    (folder / "verify_performance.txt").write_text(speed.text, encoding="utf-8")
    if speed.passed:
        return []
    return [_failure(test, "one sample over and over is faster than many")]


def copy_logs(run: FinishedRun, folder: Path) -> None:
    """Copy the two logs that each run of a tree has."""
    folder.mkdir(parents=True)
    for name in (SUMMARY, DETAIL):
        shutil.copyfile(run.folder / name, folder / name)


def _failure(test: FinishedRun, what: str) -> str:
    return f"{test.name}: {what}. Delete {test.folder} to have it made again"


def _write_both_accuracies(folder: Path, test: FinishedRun, accuracy: FinishedRun) -> None:
    """Where answers differ from run to run, the accuracies on the logged samples count."""
    labels = labels_of(accuracy)
    logged = read_answers(test.folder / ACCURACY_LOG)
    reference = read_answers(accuracy.folder / ACCURACY_LOG)
    same_samples = {sample: reference[sample] for sample in logged}
    for name, answers in (("baseline", same_samples), ("compliance", logged)):
        line = accuracy_line(measure(answers, labels))
        (folder / f"{name}_accuracy.txt").write_text(line, encoding="utf-8")
