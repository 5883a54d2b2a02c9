"""Triton's model repository: the model, our own code around it, config.pbtxt."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from mlperf_benchmark.core.network_config import JPEG
from mlperf_benchmark.core.versions import installed_versions
from mlperf_benchmark.network.served_model import INPUTS, LABELS, NODE, PARAMETER, ServedModel
from mlperf_benchmark.network.server.inspection import describe_served, inspected
from mlperf_benchmark.network.server.repository import new_model, served_name
from mlperf_benchmark.network.server.request import ServingRequest
from mlperf_benchmark.network.server.source_files import ENTRY, copy_sources

VERSION = "1"
PACKAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "openvino": ("numpy", "openvino"),
        "onnxruntime": ("numpy", "onnx", "onnxruntime"),
        "tvm": ("numpy", "apache-tvm", "apache-tvm-ffi"),
        JPEG: ("opencv-python-headless", "pillow"),
    }
)
"""What a node must have installed, by backend and payload."""


def write_triton(request: ServingRequest) -> Path:
    """Write the model into the repository `request.output`; returns its folder.

    Raises UsageError and its kinds, and leaves nothing half-written.
    """
    with inspected(request) as model:
        name = served_name(request, model)
        with new_model(request.output, name) as staging:
            folder = staging / name
            version = folder / VERSION
            version.mkdir()
            for file_name, file in model.names.items():
                copy = version / file_name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
            served = describe_served(request, model, name)
            text = config_pbtxt(served, request.queue_delay_us)
            (folder / "config.pbtxt").write_text(text, encoding="ascii")
            shutil.copyfile(ENTRY, version / ENTRY.name)
            copy_sources(model.backend, version / "code")
            requirements = _requirements(model.backend, request.payload)
            (version / "requirements.txt").write_text(requirements, encoding="ascii")
    return request.output / name


def config_pbtxt(served: ServedModel, queue_delay_us: int) -> str:
    """Triton's model configuration, in protobuf's text format."""
    height, width = served.image.height, served.image.width
    # JPEG files differ in length; the python backend gets the requests of a batch one by one.
    shape = (
        "dims: [ -1 ] allow_ragged_batch: true"
        if served.payload == JPEG
        else f"dims: [ {height}, {width}, 3 ]"
    )
    # In ASCII, JSON's escapes are those of protobuf's text format, too.
    about = json.dumps(served.to_json())
    return f"""name: "{served.name}"
backend: "python"
max_batch_size: {served.max_batch_size}
input [ {{ name: "{INPUTS[served.payload]}" data_type: TYPE_UINT8 {shape} }} ]
output [
  {{ name: "{LABELS}" data_type: TYPE_FP32 dims: [ 1 ] }},
  {{ name: "{NODE}" data_type: TYPE_UINT8 dims: [ -1 ] }}
]
instance_group [ {{ count: {served.instances} kind: KIND_CPU }} ]
dynamic_batching {{ max_queue_delay_microseconds: {queue_delay_us} }}
parameters {{ key: "{PARAMETER}" value {{ string_value: {about} }} }}
"""


def _requirements(backend: str, payload: str) -> str:
    packages = (*PACKAGES[backend], *PACKAGES.get(payload, ()))
    return "".join(f"{name}=={number}\n" for name, number in installed_versions(packages).items())
