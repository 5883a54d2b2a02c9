"""Reads the labels that an accuracy run answered."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.errors import RunError


def read_predictions(folder: Path, count: int) -> NDArray[np.int64]:
    """Class indices in the order of the data set, shape (count,).

    `data` holds the hex of one float32 label; `qsl_idx` is the sample. As in MLPerf's accuracy
    script the first answer of a sample counts (MultiStream asks for some twice). RunError when a
    sample was not answered.
    """
    path = folder / "mlperf_log_accuracy.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        labels = np.full(count, np.nan, dtype=np.float32)
        for entry in entries:
            sample = entry["qsl_idx"]
            if np.isnan(labels[sample]):
                labels[sample] = np.frombuffer(bytes.fromhex(entry["data"]), np.float32)[0]
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise RunError(f"LoadGen left no readable accuracy log at {path}: {error}.") from error
    missing = int(np.isnan(labels).sum())
    if missing:
        raise RunError(f"{missing} of {count} samples were not answered, says {path}.")
    return labels.astype(np.int64)
