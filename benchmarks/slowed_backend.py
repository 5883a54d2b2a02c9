"""OpenVINO with a delay, to find out whether compare.py finds it."""

import time

from backend_openvino import OpenVINOBackend
from mlperf_benchmark.core.image_format import Images, Scores

SLOWDOWN = 0.05


class SlowedBackend(OpenVINOBackend):
    """Burns 5 % of the time that each synchronous inference took."""

    def predict(self, images: Images) -> Scores:
        start = time.perf_counter()
        scores = super().predict(images)
        end = start + (1 + SLOWDOWN) * (time.perf_counter() - start)
        while time.perf_counter() < end:
            pass
        return scores
