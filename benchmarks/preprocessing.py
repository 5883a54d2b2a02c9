"""Preprocessing images/s against the way of MLPerf's reference app.

    python3 -m benchmarks.preprocessing --images DIR

The reference's way is one thread that decodes with cv2, resizes, subtracts the mean in float32,
transposes for NCHW (its ONNX and PyTorch profiles; NHWC is for TensorFlow) and saves one .npy a
file. All make the pixels of `--dataset imagenet` from the same files into empty folders, in
turns; each round gives one ratio. DIR is a data set folder with val_map.txt.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from dataset import DATASETS, DatasetConfig
from preprocessing.label_list import find_label_list

OURS = "this harness"


def reference_way(files: Sequence[Path], folder: Path, channels_first: bool) -> None:
    mean = np.array([123.68, 116.78, 103.94], np.float32)
    for file in files:
        bgr = cv2.imread(str(file))
        if bgr is None:
            raise SystemExit(f"{file} is unreadable")
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        height, width = rgb.shape[:2]
        short = min(height, width)
        size = (int(256 * width / short), int(256 * height / short))
        resized = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
        crop = resized[top : top + 224, left : left + 224].astype(np.float32) - mean
        np.save(folder / f"{file.name}.npy", crop.transpose(2, 0, 1) if channels_first else crop)


def images_per_second(work: Callable[[Path], object], count: int, scratch: Path | None) -> float:
    """Of `work` on an empty folder; deleting it does not count."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        start = time.perf_counter()
        work(Path(folder))
        return count / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="data set folder")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--scratch", type=Path, help="where all write (default: temporary folder)")
    arguments = parser.parse_args()
    names = find_label_list(arguments.images, None, None).names
    files = [arguments.images / name for name in names]
    dataset = DATASETS.load("imagenet")
    ways: dict[str, Callable[[Path], object]] = {
        OURS: lambda folder: dataset(DatasetConfig(arguments.images, None, folder, None)).prepare(),
        "reference, NCHW": lambda folder: reference_way(files, folder, channels_first=True),
        "reference, NHWC": lambda folder: reference_way(files, folder, channels_first=False),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.rounds + 1):
        for name, work in ways.items():
            rates[name].append(images_per_second(work, len(files), arguments.scratch))
    cpus = len(os.sched_getaffinity(0))
    print(f"{len(files)} images, {arguments.rounds} rounds after a first one, {cpus} CPUs")
    ours = rates[OURS][1:]
    for name in ways:
        theirs = rates[name][1:]
        line = f"{name:16} {_spread(theirs, 0)} images/s"
        if name != OURS:
            line += f"; ratio {_spread([a / b for a, b in zip(ours, theirs, strict=True)], 2)}"
        print(line)


def _spread(values: Sequence[float], digits: int) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    main()
