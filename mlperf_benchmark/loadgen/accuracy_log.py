"""Reads the labels that an accuracy run answered."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.loadgen.log_files import ACCURACY_LOG


def read_entries(path: Path) -> list[tuple[int, int]]:
    """The (sample, label) pairs of LoadGen's mlperf_log_accuracy.json, in its order.

    `data` holds the hex of one float32 label; `qsl_idx` is the sample. Raises RunError.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        data = bytes.fromhex("".join(entry["data"] for entry in entries))
        labels = np.frombuffer(data, np.float32).astype(np.int64).tolist()
        return list(zip((int(entry["qsl_idx"]) for entry in entries), labels, strict=True))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"LoadGen left no readable accuracy log at {path}: {error}.") from error


def read_answers(path: Path) -> dict[int, int]:
    """Label of each sample. As in MLPerf's accuracy script the first answer counts.

    MultiStream asks for some samples twice.
    """
    answers: dict[int, int] = {}
    for sample, label in read_entries(path):
        answers.setdefault(sample, label)
    return answers


def read_predictions(folder: Path, count: int) -> NDArray[np.int64]:
    """Class indices in the order of the data set, shape (count,).

    RunError when a sample was not answered.
    """
    path = folder / ACCURACY_LOG
    answers = read_answers(path)
    missing = count - sum(sample < count for sample in answers)
    if missing:
        raise RunError(f"{missing} of {count} samples were not answered, says {path}.")
    return np.array([answers[sample] for sample in range(count)], np.int64)
