"""Preprocessing images/s against the way of MLPerf's reference app.

The reference's way is one thread that decodes with cv2, resizes, subtracts the mean in float32,
transposes for NCHW (its ONNX and PyTorch profiles; NHWC is for TensorFlow) and saves one .npy a
file. All make the pixels of `--dataset imagenet` from the same files into empty folders. DIR is a
data set folder with a label list.

    python3 -m benchmarks.preprocessing --images DIR [--rounds 8]
"""

import argparse
import functools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.interleaving import interleave, ratio
from dataset import DATASETS, DatasetConfig
from mlperf_benchmark.core.option_values import positive_int
from mlperf_benchmark.images.label_list import find_label_list


def reference_way(files: Sequence[Path], channels_first: bool, folder: Path) -> None:
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


def this_harness(images: Path, folder: Path) -> None:
    DATASETS.load("imagenet")(DatasetConfig(images, None, folder, None)).prepare()


def images_per_second(work: Callable[[Path], None], count: int) -> float:
    """Of `work` on an empty folder; deleting it does not count."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        work(Path(folder))
        return count / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rounds", type=positive_int, default=8)
    arguments = parser.parse_args()
    names = find_label_list(arguments.images, None, None).names
    files = [arguments.images / name for name in names]
    ways: dict[str, Callable[[Path], None]] = {
        "this harness": functools.partial(this_harness, arguments.images),
        "reference, NCHW": functools.partial(reference_way, files, True),
        "reference, NHWC": functools.partial(reference_way, files, False),
    }
    subjects = {
        name: functools.partial(images_per_second, work, len(files)) for name, work in ways.items()
    }
    interleave(subjects, rounds=1)  # reads the files into memory
    rates = interleave(subjects, arguments.rounds)
    print(f"{len(files)} images, {len(os.sched_getaffinity(0))} CPUs; medians:")
    ours = rates["this harness"]
    for name, values in rates.items():
        print(f"{name}: {statistics.median(values):.0f} images/s")
        if values is not ours:
            print(f"  this harness over it: {ratio(ours, values)}")


if __name__ == "__main__":
    main()
