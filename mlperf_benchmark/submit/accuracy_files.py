"""accuracy.txt and the shortened accuracy log, as MLPerf's own scripts write them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.files import file_sha256
from mlperf_benchmark.core.label_list import LabelList
from mlperf_benchmark.images.label_list import find_label_list
from mlperf_benchmark.loadgen.accuracy_log import read_answers
from mlperf_benchmark.loadgen.log_files import ACCURACY_LOG
from mlperf_benchmark.run.accuracy import Accuracy, top1
from mlperf_benchmark.submit.finished_run import FinishedRun

VIEWABLE_CHARACTERS = 4096
"""Characters kept at each end of the log, as by MLPerf's truncate_accuracy_log.py."""

CUT = "\n\n...\n\n"


def list_of(run: FinishedRun) -> LabelList:
    """The label list of the run's samples. Raises UsageError where there is none."""
    config = run.result.config
    if config.dataset_path is None:
        raise UsageError(
            f"{run.name} used the data set {config.dataset}, which has no labels: a submission "
            f"needs accuracy on labelled images."
        )
    labels = find_label_list(config.dataset_path, config.dataset_list, config.count)
    if labels.sha256() != run.result.dataset.list_sha256:
        raise UsageError(
            f"The label list {labels.source} has changed since {run.folder} was made: run it again."
        )
    return labels


def labels_of(run: FinishedRun) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The labels that the run's samples should have got. Raises UsageError where there are none."""
    return np.array(list_of(run).labels, np.int64)


def measure(answers: Mapping[int, int], labels: np.ndarray[Any, np.dtype[np.int64]]) -> Accuracy:
    """Top-1 of those samples that were answered."""
    samples = np.array(sorted(answers), np.int64)
    predictions = np.array([answers[sample] for sample in samples.tolist()], np.int64)
    return top1(predictions, labels[samples])


def accuracy_line(accuracy: Accuracy) -> str:
    """As MLPerf's accuracy-imagenet.py prints it."""
    return f"accuracy={100 * accuracy.top1:.3f}%, good={accuracy.good}, total={accuracy.total}\n"


def write_accuracy(run: FinishedRun, folder: Path) -> Accuracy:
    """Write accuracy.txt with the log's hash, and the shortened log.

    The whole log stays where the run left it: MLCommons may ask for it.
    """
    log = run.folder / ACCURACY_LOG
    accuracy = measure(read_answers(log), labels_of(run))
    known = run.result.accuracy
    if known is not None and (known.good, known.total) != (accuracy.good, accuracy.total):
        raise UsageError(
            f"{log} holds {accuracy.good} of {accuracy.total} right answers, but results.json says "
            f"{known.good} of {known.total}: run {run.name} again."
        )
    text = f"{accuracy_line(accuracy)}\nhash={file_sha256(log)}\n"
    (folder / "accuracy.txt").write_text(text, encoding="utf-8")
    (folder / ACCURACY_LOG).write_text(_shortened(log), encoding="utf-8")
    return accuracy


def _shortened(log: Path) -> str:
    text = log.read_text(encoding="utf-8")
    if len(text) < VIEWABLE_CHARACTERS:
        return text
    return text[:VIEWABLE_CHARACTERS] + CUT + text[-VIEWABLE_CHARACTERS:]
