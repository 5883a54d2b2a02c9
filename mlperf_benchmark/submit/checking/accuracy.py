"""The folder of an accuracy run."""

import re
from pathlib import Path

from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.loadgen.detail_log import read_detail_log
from mlperf_benchmark.submit import rules
from mlperf_benchmark.submit.audit import kind_of_run
from mlperf_benchmark.submit.checking.finding import Finding, Findings, exactly
from mlperf_benchmark.submit.checking.performance import RUN_AGAIN, check_log
from mlperf_benchmark.submit.finished_run import ACCURACY_LOG, DETAIL, SUMMARY

ACCURACY_TEXT = "accuracy.txt"
AGAIN = "Make the tree again."
LINE = re.compile(r"accuracy=([0-9.]+)%, good=\d+, total=\d+")
HASH = re.compile(r"hash=[0-9a-f]{64}")


def check_accuracy(
    folder: Path, division: str, scenario: str, version: rules.RulesVersion
) -> Findings:
    """The folder accuracy of a scenario."""
    yield from exactly(folder, (SUMMARY, DETAIL, ACCURACY_LOG, ACCURACY_TEXT), (), AGAIN)
    path = folder / DETAIL
    try:
        log = read_detail_log(folder)
        yield from check_log(path, log, version)
        if kind_of_run(log) != rules.ACCURACY or log.effective("scenario") != scenario:
            yield Finding(path, f"no accuracy run of {scenario}", f"{RUN_AGAIN}.")
        samples = int(log.values["qsl_reported_total_count"])
        if samples != rules.DATASET_SAMPLES:
            yield Finding(
                path,
                f"{samples} samples instead of {rules.DATASET_SAMPLES}",
                "Use all of ImageNet's validation images.",
            )
    except RunError as error:
        yield Finding(path, str(error).rstrip("."), f"{RUN_AGAIN}.")
    except KeyError as error:
        yield Finding(path, f"LoadGen's entry {error} is missing", f"{RUN_AGAIN}.")
    yield from check_accuracy_files(folder)
    accuracy = read_accuracy(folder / ACCURACY_TEXT)
    if division == "closed" and accuracy is not None and accuracy < rules.ACCURACY_TARGET:
        yield Finding(
            folder / ACCURACY_TEXT,
            f"{accuracy:.3f} % is below the closed division's {rules.ACCURACY_TARGET:.4f} %",
            "Use a better model, or the open division.",
        )


def check_accuracy_files(folder: Path) -> Findings:
    """accuracy.txt and the shortened log, of an accuracy run or of TEST01."""
    path = folder / ACCURACY_TEXT
    if path.is_file():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if not any(HASH.fullmatch(line) for line in lines):
            yield Finding(path, "no hash of the whole accuracy log", AGAIN)
        if read_accuracy(path) is None:
            yield Finding(path, 'no "accuracy=…%, good=…, total=…"', AGAIN)
    log = folder / ACCURACY_LOG
    if log.is_file() and log.stat().st_size > rules.MAX_ACCURACY_LOG_BYTES:
        yield Finding(log, "not shortened to 10 KiB", AGAIN)


def read_accuracy(path: Path) -> float | None:
    """Percent in an accuracy file; None where there is none."""
    if not path.is_file():
        return None
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        found = LINE.match(line)
        if found:
            return float(found[1])
    return None
