"""What a served model says of itself: one JSON object that travels with it to the node."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.core.network_config import JPEG, PIXELS
from mlperf_benchmark.core.preprocessing import CustomPreprocessing
from mlperf_benchmark.core.typed_json import check_schema, from_plain

PARAMETER = "mlperf_benchmark"
"""The name under which an engine hands the JSON out."""

SCHEMA = 1

INPUTS: Mapping[str, str] = {PIXELS: "images", JPEG: "jpeg"}
"""The name of the input tensor for each payload."""

LABELS = "labels"
"""Output: class indices."""

NODE = "node"
"""Output: what the node really does, as JSON. Made only where it is asked for."""


@dataclass(frozen=True)
class ServedModel:
    """One model in an engine's repository.

    `model` has the fields of results.json's `model`. `label_offset` is added to the index of the
    best score on the node. `preprocessing` is the user's own, None where the data set's name tells
    it. `files` maps the model's files beside the code to their sha256, the one to load first.
    `threads` None: the instances share the node's CPUs.
    """

    name: str
    payload: str
    model: Mapping[str, Any]
    dataset: str
    image: ImageFormat
    classes: int
    label_offset: int
    backend: str
    precision: str
    max_batch_size: int
    instances: int
    threads: int | None
    files: Mapping[str, str]
    schema: int = SCHEMA
    outputs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    data_format: str | None = None
    preprocessing: CustomPreprocessing | None = None

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ServedModel":
        """The reverse of `to_json`. Raises ValueError."""
        content = json.loads(text)
        check_schema(content, SCHEMA)
        return from_plain(content, cls)
