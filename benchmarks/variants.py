"""Speed of variants of a model against a baseline, one image at a time, interleaved in blocks.

All are loaded in one process, through the backend that the harness uses. A block is long enough
for the caches to fill with a variant's weights; its median counts.

    python3 -m benchmarks.variants BASELINE VARIANT... [--profile pytorch-openvino] [--threads N]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from backend import BACKENDS, Backend, BackendConfig
from benchmarks.interleaving import interleave, ratio
from dataset import DATASETS
from mlperf_benchmark.core.image_format import Images
from mlperf_benchmark.core.option_values import positive_int
from profiles import Profile, profile

WARM_UP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path, help="model files, the baseline first")
    parser.add_argument("--profile", default="pytorch-openvino")
    parser.add_argument("--threads", type=positive_int)
    parser.add_argument("--rounds", type=positive_int, default=20)
    parser.add_argument("--block", type=positive_int, default=20, help="inferences of a block")
    options = parser.parse_args()

    chosen = profile(options.profile)
    images = np.random.default_rng(0).integers(0, 256, (16, 224, 224, 3), dtype=np.uint8)
    subjects = {
        str(model): _median_latency(_load(model, chosen, options.threads), images, options.block)
        for model in options.models
    }
    values = interleave(subjects, options.rounds)
    baseline = values[str(options.models[0])]
    for name, latencies in values.items():
        print(
            f"{name}: median {statistics.median(latencies):.2f} ms,"
            f" fastest {min(latencies):.2f} ms, speed {ratio(baseline, latencies)}"
        )


def _load(model: Path, chosen: Profile, threads: int | None) -> Backend:
    config = BackendConfig(
        model=model,
        image=DATASETS.load(chosen.dataset).image,
        threads=threads,
        precision=chosen.precision,
    )
    backend: Backend = BACKENDS.load(chosen.backend)(config)
    backend.load()
    return backend


def _median_latency(backend: Backend, images: Images, block: int) -> Callable[[], float]:
    def measure() -> float:
        latencies = []
        for number in range(WARM_UP + block):
            image = images[number % len(images) :][:1]
            start = time.perf_counter()
            backend.predict(image)
            latencies.append(time.perf_counter() - start)
        return 1000 * statistics.median(latencies[WARM_UP:])

    return measure


if __name__ == "__main__":
    main()
