"""A backend that answers at once, to measure the harness itself."""

import numpy as np

from backend import Backend, BackendConfig, BackendInfo
from mlperf_benchmark.core.image_format import Images, Scores

CLASSES = 1000


class NullBackend(Backend):
    """Answers class 0 for every image without looking at it."""

    accepts = frozenset()

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        self._batch = config.max_batch_size or 1
        self._scores = np.zeros((self._batch, CLASSES), dtype=np.float32)

    def load(self) -> BackendInfo:
        return BackendInfo(
            name="null",
            version="1",
            input_name="none",
            output_name="none",
            data_format="NHWC",
            classes=CLASSES,
            max_batch_size=self._batch,
            requests=1,
            threads=1,
            streams=1,
            executed_precision="none",
        )

    def predict(self, images: Images) -> Scores:
        return self._scores[: len(images)]
