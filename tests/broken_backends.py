"""Backends that go wrong in the middle of a run, or hang at its end.

They answer as the null backend does until they see one sample of the synthetic data set. The
probe before the run looks at the first samples only, so it is LoadGen that meets the last one.
"""

import time
from typing import Any

import numpy as np

from backend import BackendConfig, BackendInfo, Listener
from dataset import DatasetConfig
from mlperf_benchmark.core.image_format import Images, Scores
from mlperf_benchmark.images.synthetic import Synthetic
from mlperf_benchmark.loadgen.null_backend import NullBackend

COUNT = 20
ENTRIES = {
    name: f"tests.broken_backends:{name}"
    for name in (
        *("Raises", "AnswersNaN", "AnswersTooFew", "LosesRequests", "FailsToLoad"),
        "ClosesSlowly",
    )
}


class _Poisoned(NullBackend):
    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        synthetic = Synthetic(DatasetConfig(None, None, config.cache_dir, COUNT))
        self._poison = synthetic.load([COUNT - 1])[0]

    def _is_poisoned(self, images: Images) -> bool:
        return any(np.array_equal(image, self._poison) for image in images)


class Raises(_Poisoned):
    """Raises what a runtime raises: several lines."""

    def predict(self, images: Images) -> Scores:
        if self._is_poisoned(images):
            raise RuntimeError("the device is lost\nat some/file.cpp:12\n")
        return super().predict(images)


class AnswersNaN(_Poisoned):
    def predict(self, images: Images) -> Scores:
        scores: Scores = super().predict(images).copy()
        if self._is_poisoned(images):
            scores[0, 7] = np.nan
        return scores


class AnswersTooFew(_Poisoned):
    def predict(self, images: Images) -> Scores:
        scores: Scores = super().predict(images)
        return scores[: len(scores) - self._is_poisoned(images)]


class LosesRequests(_Poisoned):
    """Like a runtime's queue, which tells of a failed request only when it is waited for."""

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        self._is_lost = False

    def submit(self, images: Images, token: Any, listener: Listener) -> None:
        if self._is_poisoned(images):
            self._is_lost = True
        else:
            super().submit(images, token, listener)

    def drain(self) -> None:
        if self._is_lost:
            raise RuntimeError("a request was lost")


class FailsToLoad(NullBackend):
    def load(self) -> BackendInfo:
        raise RuntimeError("no such device\nlook elsewhere")


class ClosesSlowly(NullBackend):
    """Leaves time between the result and the end of the process."""

    def close(self) -> None:
        time.sleep(60)
