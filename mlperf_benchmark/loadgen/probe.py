"""A short measurement before the test: LoadGen must be told what speed to expect."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from backend import Backend
from mlperf_benchmark.core.errors import InferenceError
from mlperf_benchmark.core.image_format import Images, Scores

WARM_UP_RUNS = 8
SECONDS = 1.0
QUICK_SECONDS = 0.2
MIN_RUNS = 3
MAX_RUNS = 100_000
# The least that LoadGen and the round trip to the backend take. Without it LoadGen would prepare
# billions of queries for a backend that answers at once.
SECONDS_PER_QUERY = 4e-6
SECONDS_PER_SAMPLE = 1e-6


@dataclass(frozen=True)
class Probe:
    """Seconds of one batch from LoadGen and back, and samples a second through the queue."""

    latency: float
    samples_per_second: float


class _Counter:
    """Counts the samples answered while the probe runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.samples = 0
        self.error: BaseException | None = None

    def completed(self, token: Any, scores: Scores) -> None:
        with self._lock:
            self.samples += len(scores)

    def failed(self, error: BaseException) -> None:
        self.error = error

    def drain(self, backend: Backend) -> None:
        """Wait for all answers; raises the error of one that failed."""
        backend.drain()
        if self.error is not None:
            raise self.error


def warm_up(backend: Backend, images: Images, requests: int, runs: int = WARM_UP_RUNS) -> None:
    """Run each request a few times: the first inferences allocate, and take up to twice as long.

    `images` is one full batch. Raises InferenceError for a model that cannot infer it.
    """
    with _inference_errors():
        for _ in range(runs):
            backend.predict(images)
        counter = _Counter()
        for _ in range(runs * requests):
            backend.submit(images, None, counter)
        counter.drain(backend)


def probe(backend: Backend, images: Images, single: bool, seconds: float = SECONDS) -> Probe:
    """Measure for about `seconds` each. `single` (one query at a time) leaves the queue out."""
    with _inference_errors():
        latency = _latency(backend, images, seconds) + SECONDS_PER_QUERY
        if single:
            return Probe(latency=latency, samples_per_second=len(images) / latency)
        counter = _Counter()
        start = time.perf_counter()
        runs = 0
        while runs < MIN_RUNS or time.perf_counter() - start < seconds:
            backend.submit(images, None, counter)
            runs += 1
        counter.drain(backend)
        elapsed = time.perf_counter() - start
    seconds_per_sample = elapsed / counter.samples + SECONDS_PER_SAMPLE
    return Probe(latency=latency, samples_per_second=1 / seconds_per_sample)


def predict_seconds(backend: Backend, images: Images) -> float:
    """Infer once and return the seconds that it took."""
    start = time.perf_counter()
    backend.predict(images)
    return time.perf_counter() - start


def _latency(backend: Backend, images: Images, seconds: float) -> float:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < MIN_RUNS or (time.perf_counter() < end and len(times) < MAX_RUNS):
        times.append(predict_seconds(backend, images))
    return sorted(times)[len(times) // 2]


@contextmanager
def _inference_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        reason = str(error).strip() or type(error).__name__
        raise InferenceError(f"The backend cannot infer: {reason}") from error
