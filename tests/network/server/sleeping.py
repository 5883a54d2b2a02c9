"""A model for Triton that sleeps instead of computing, so that nodes can share two cores.

Also the `model.py` itself. It answers `label_of` for each image, hence errors show.
"""

import json
import shutil
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
NODE_CODE = ROOT / "mlperf_benchmark" / "network" / "server" / "node"
NAME = "sleeping"
CLASSES = 1000
CONFIG = """name: "sleeping"
backend: "python"
max_batch_size: 1
input [ {{ name: "images" data_type: TYPE_UINT8 dims: [ 224, 224, 3 ] }} ]
output [ {{ name: "labels" data_type: TYPE_FP32 dims: [ 1 ] }} ]
parameters {{ key: "milliseconds" value {{ string_value: "{milliseconds}" }} }}
"""


def label_of(sample: bytes) -> int:
    return zlib.crc32(sample) % CLASSES


def write_sleeping(repository: Path, milliseconds: int) -> Path:
    """A repository with the model, which takes so long for an image."""
    version = repository / NAME / "1"
    version.mkdir(parents=True)
    (repository / NAME / "config.pbtxt").write_text(CONFIG.format(milliseconds=milliseconds))
    shutil.copyfile(__file__, version / "model.py")
    shutil.copyfile(NODE_CODE / "tensors.py", version / "tensors.py")
    return repository


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"])["parameters"]
        self._seconds = int(parameters["milliseconds"]["string_value"]) / 1000

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        import tensors  # type: ignore[import-not-found]
        import triton_python_backend_utils as pb_utils

        responses = []
        for request in requests:
            time.sleep(self._seconds)
            image = tensors.array_of(request, "images")
            label = np.array([[label_of(image.tobytes())]], np.float32)
            responses.append(pb_utils.InferenceResponse([tensors.tensor_of("labels", label)]))
        return responses
