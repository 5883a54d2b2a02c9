"""The folder of an accuracy run."""

import re
from functools import partial
from pathlib import Path

from mlperf_benchmark.loadgen.detail_log import DetailLog
from mlperf_benchmark.loadgen.log_files import ACCURACY_LOG, DETAIL, SUMMARY
from mlperf_benchmark.submit import rules
from mlperf_benchmark.submit.audit import kind_of_run
from mlperf_benchmark.submit.checking.finding import Finding, Findings, exactly, read_lines
from mlperf_benchmark.submit.checking.log import RUN_AGAIN, check_log, number
from mlperf_benchmark.submit.checking.performance import BESIDE_LOGS
from mlperf_benchmark.submit.checking.scenario import Scenario

ACCURACY_TEXT = "accuracy.txt"
AGAIN = "Make the tree again."
# As the checkers read it: what accuracy-imagenet.py prints, and other scripts like it.
LINE = re.compile(r'(?:\{"accuracy|accuracy)[": ]*=?\s*([0-9]+(?:\.[0-9]*)?)')
HASH = re.compile(r"hash=\w+")


def check_accuracy(scenario: Scenario) -> Findings:
    """The folder accuracy of a scenario."""
    folder = scenario.folder / "accuracy"
    needed = (SUMMARY, DETAIL, ACCURACY_LOG, ACCURACY_TEXT)
    yield from exactly(folder, needed, BESIDE_LOGS, AGAIN)
    yield from check_log(folder, scenario.version, partial(_check_run, scenario))
    yield from check_accuracy_files(folder)
    path = folder / ACCURACY_TEXT
    accuracy = read_accuracy(path)
    if path.is_file() and accuracy is None:
        yield Finding(path, 'no "accuracy=…%, good=…, total=…"', AGAIN)
    if accuracy is not None and scenario.division == "closed" and accuracy < rules.ACCURACY_TARGET:
        yield Finding(
            path,
            f"{accuracy:.3f} % is below the closed division's {rules.ACCURACY_TARGET:.4f} %",
            "Use a better model, or the open division.",
        )


def _check_run(scenario: Scenario, path: Path, log: DetailLog) -> Findings:
    # An inferred result has the accuracy of the one that it is inferred from.
    scenarios = (scenario.name, *rules.INFERABLE_FROM.get(scenario.name, ()))
    if kind_of_run(log) != rules.ACCURACY or log.effective("scenario") not in scenarios:
        yield Finding(path, f"no accuracy run of {scenario.name}", f"{RUN_AGAIN}.")
    used = "effective_accuracy_sample_count"
    samples = number(log, used if used in log.values else "qsl_reported_total_count")
    if samples != rules.DATASET_SAMPLES:
        yield Finding(
            path,
            f"{samples} samples instead of {rules.DATASET_SAMPLES}",
            "Use all of ImageNet's validation images.",
        )


def check_accuracy_files(folder: Path) -> Findings:
    """The log's hash in accuracy.txt and the shortened log, of an accuracy run or of TEST01."""
    path = folder / ACCURACY_TEXT
    if path.is_file() and not any(HASH.fullmatch(line) for line in read_lines(path)):
        yield Finding(path, "no hash of the whole accuracy log", AGAIN)
    log = folder / ACCURACY_LOG
    if log.is_file() and log.stat().st_size > rules.MAX_ACCURACY_LOG_BYTES:
        yield Finding(log, "not shortened to 10 KiB", AGAIN)


def read_accuracy(path: Path) -> float | None:
    """Percent in an accuracy file; None where there is none."""
    for line in read_lines(path):
        found = LINE.match(line)
        if found:
            return float(found[1])
    return None
