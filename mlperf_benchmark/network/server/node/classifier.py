"""A served model on its node: checks the files, loads the backend, turns images into labels."""

import dataclasses
import json
import platform
from pathlib import Path

import numpy as np

from backend import BACKENDS, Backend, BackendConfig, BackendInfo
from mlperf_benchmark.core.cpus import usable_cpus
from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.files import file_sha256
from mlperf_benchmark.core.image_format import Images, Scores
from mlperf_benchmark.loadgen.labels import top_labels
from mlperf_benchmark.network.served_model import ServedModel


class Classifier:
    """Runs `served`, whose files are in `folder`, through the backend that it names.

    Raises ModelError where a file is not the one that was packed.
    """

    def __init__(self, served: ServedModel, folder: Path) -> None:
        self._served = served
        self.threads = served.threads or max(1, usable_cpus() // served.instances)
        for name, sha256 in served.files.items():
            if file_sha256(folder / name) != sha256:
                raise ModelError(f"{folder / name} is not the file that was packed.")
        self._backend: Backend = BACKENDS.load(served.backend)(self._config(folder))
        self.info: BackendInfo = self._backend.load()
        self._warm_up()

    def scores(self, images: Images) -> Scores:
        """Scores of at most `max_batch_size` images; valid until the next call."""
        return self._backend.predict(images)

    def labels(self, scores: Scores) -> list[int]:
        """Class indices. Raises InferenceError for scores that are NaN or infinite."""
        offset = self._served.label_offset
        if scores.ndim == 1:
            return [int(label) + offset for label in scores]
        return top_labels(scores, offset)

    def about(self) -> str:
        """JSON: what the backend read back from the runtime on this node, and where that is."""
        node = {"hostname": platform.node(), "cpus": usable_cpus()}
        instances = {"instances": self._served.instances}
        return json.dumps(dataclasses.asdict(self.info) | instances | node)

    def close(self) -> None:
        self._backend.close()

    def _config(self, folder: Path) -> BackendConfig:
        served = self._served
        return BackendConfig(
            model=folder / next(iter(served.files)),
            image=served.image,
            max_batch_size=served.max_batch_size,
            variable_batch=True,
            threads=self.threads,
            precision=served.precision,
            inputs=served.inputs,
            outputs=served.outputs,
            data_format=served.data_format,
            any_classes=served.preprocessing is not None,
            cache_dir=folder,
        )

    def _warm_up(self) -> None:
        """Infer every batch size once, as the runtime prepares for a size when it first sees it."""
        image = self._served.image
        for count in range(1, self._served.max_batch_size + 1):
            self._backend.predict(np.zeros((count, image.height, image.width, 3), np.uint8))
