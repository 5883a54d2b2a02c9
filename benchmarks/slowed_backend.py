"""OpenVINO with a delay, to find out whether compare.py finds it."""

import os
import time

from backend import BackendConfig
from backend_openvino import OpenVINOBackend
from mlperf_benchmark.core.image_format import Images, Scores

SLOWDOWN = "BENCHMARK_SLOWDOWN"
"""The environment variable with the share of its time that an inference is slowed by (5 %)."""


class SlowedBackend(OpenVINOBackend):
    """Burns a share of the time that each synchronous inference took."""

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        self._slowdown = float(os.environ.get(SLOWDOWN, "0.05"))

    def predict(self, images: Images) -> Scores:
        start = time.perf_counter()
        scores = super().predict(images)
        end = start + (1 + self._slowdown) * (time.perf_counter() - start)
        while time.perf_counter() < end:
            pass
        return scores
