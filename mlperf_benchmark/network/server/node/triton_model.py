"""Triton's side of a served model: requests in, responses out."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from mlperf_benchmark.core.errors import InferenceError
from mlperf_benchmark.core.image_format import Images, Scores
from mlperf_benchmark.core.network_config import JPEG
from mlperf_benchmark.network.served_model import INPUTS, LABELS, NODE, PARAMETER, ServedModel
from mlperf_benchmark.network.server.node.classifier import Classifier
from mlperf_benchmark.network.server.node.tensors import array_of, tensor_of

Reader = Callable[[Any], Images]


class TritonPythonModel:
    """One instance of the model, in a process of its own; Triton's batcher feeds it.

    A request that cannot be answered gets an error of its own, the others their labels.
    """

    def initialize(self, args: Mapping[str, str]) -> None:
        """Called once. What it raises is in Triton's log, and the model is not ready."""
        config = json.loads(args["model_config"])
        served = ServedModel.from_json(config["parameters"][PARAMETER]["string_value"])
        folder = Path(args["model_repository"], args["model_version"])
        self._classifier = Classifier(served, folder)
        self._about = np.frombuffer(self._classifier.about().encode(), np.uint8)
        self._input = INPUTS[served.payload]
        self._decoders = ThreadPoolExecutor(self._classifier.threads)
        self._read: Reader = self._decoded if served.payload == JPEG else self._as_they_are
        self._served = served

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer the requests of one batch, together at most `max_batch_size` images."""
        read = [self._images(request) for request in requests]
        good = [images for images in read if not isinstance(images, Exception)]
        if not good:
            return [_failure(images) for images in read]
        # A copy even of one: what lies in Triton's memory is read-only.
        scores = self._classifier.scores(np.concatenate(good))
        bounds = np.cumsum([0, *map(len, good)]).tolist()
        parts = iter([scores[start:end] for start, end in pairwise(bounds)])
        return [
            _failure(images)
            if isinstance(images, Exception)
            else self._response(request, next(parts))
            for request, images in zip(requests, read, strict=True)
        ]

    def finalize(self) -> None:
        """Called once, when Triton unloads the model."""
        self._decoders.shutdown()
        self._classifier.close()

    def _images(self, request: Any) -> Images | Exception:
        tensor = array_of(request, self._input)
        try:
            return self._read(tensor)
        except Exception as error:  # noqa: BLE001 - this request's error, not the batch's
            return error

    def _as_they_are(self, tensor: Images) -> Images:
        return tensor

    def _decoded(self, tensor: Any) -> Images:
        # Decoding needs cv2 and Pillow, which a node that gets pixels need not have.
        from mlperf_benchmark.network.server.node.jpeg import pixels_of  # noqa: PLC0415

        def decode(file: Images) -> Images:
            return pixels_of(file.tobytes(), self._served)

        return np.stack(list(self._decoders.map(decode, tensor)))

    def _response(self, request: Any, scores: Scores) -> Any:
        try:
            labels = np.array(self._classifier.labels(scores), np.float32).reshape(-1, 1)
        except InferenceError as error:
            return _failure(error)
        outputs = []
        for name in request.requested_output_names():
            if name == LABELS:
                outputs.append(tensor_of(LABELS, labels))
            elif name == NODE:
                outputs.append(tensor_of(NODE, np.tile(self._about, (len(scores), 1))))
        return pb_utils.InferenceResponse(outputs)


def _failure(error: Any) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))
