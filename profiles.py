"""Profiles: named defaults for a kind of model on a backend. The command line overrides them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlperf_benchmark.core.preprocessing import CUSTOM
from mlperf_benchmark.core.registry import known_name

MLPERF_RESNET50 = "resnet50"
"""LoadGen's name for image classification: sets its samples, queries and latency bounds."""


@dataclass(frozen=True)
class Profile:
    """`max_batchsize` is for scenarios with more than one sample a query (None: the model's own
    batch), `served_model` the model's name on served nodes.

    `precision` is f32 by default, so that an FP32 model is measured in FP32: left to itself,
    OpenVINO computes FP32 models in bfloat16 on CPUs that have it.
    """

    backend: str
    dataset: str
    model_name: str = MLPERF_RESNET50
    precision: str = "f32"
    max_batchsize: int | None = None
    served_model: str | None = None


PYTORCH_TVM = Profile(backend="tvm", dataset="imagenet_pytorch", precision="default")

READERS: Mapping[str, str] = MappingProxyType(
    {
        ".onnx": "openvino",
        ".xml": "openvino",
        ".zip": "openvino",
        ".tvm": "tvm",
        ".pt": "torch",
        ".pth": "torch",
        ".pt2": "torch",
    }
)
"""The backend that a file of the user's own gets where none is asked for, by its suffix."""

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        CUSTOM: Profile(backend="openvino", dataset=CUSTOM),
        "pytorch-openvino": Profile(backend="openvino", dataset="imagenet_pytorch"),
        "reference-openvino": Profile(backend="openvino", dataset="imagenet"),
        "efficientnet-lite0-openvino": Profile(
            backend="openvino", dataset="imagenet_efficientnet_lite"
        ),
        "efficientnet-lite1-openvino": Profile(
            backend="openvino", dataset="imagenet_efficientnet_lite1"
        ),
        "efficientnet-lite2-openvino": Profile(
            backend="openvino", dataset="imagenet_efficientnet_lite2"
        ),
        "pytorch-onnxruntime": Profile(
            backend="onnxruntime", dataset="imagenet_pytorch", precision="default"
        ),
        "reference-onnxruntime": Profile(
            backend="onnxruntime", dataset="imagenet", precision="default"
        ),
        "efficientnet-lite0-onnxruntime": Profile(
            backend="onnxruntime", dataset="imagenet_efficientnet_lite", precision="default"
        ),
        "pytorch-torch": Profile(backend="torch", dataset="imagenet_pytorch", precision="default"),
        "efficientnet-lite0-torch": Profile(
            backend="torch", dataset="imagenet_efficientnet_lite", precision="default"
        ),
        "pytorch-inductor": Profile(
            backend="inductor", dataset="imagenet_pytorch", precision="default"
        ),
        "efficientnet-lite0-inductor": Profile(
            backend="inductor", dataset="imagenet_efficientnet_lite", precision="default"
        ),
        "pytorch-tvm": PYTORCH_TVM,
        "reference-tvm": Profile(backend="tvm", dataset="imagenet", precision="default"),
        "efficientnet-lite0-tvm": Profile(
            backend="tvm", dataset="imagenet_efficientnet_lite", precision="default"
        ),
        "efficientnet-lite1-tvm": Profile(
            backend="tvm", dataset="imagenet_efficientnet_lite1", precision="default"
        ),
        "efficientnet-lite2-tvm": Profile(
            backend="tvm", dataset="imagenet_efficientnet_lite2", precision="default"
        ),
        "pytorch-kserve": Profile(
            backend="kserve",
            dataset="imagenet_pytorch",
            precision="default",
            served_model="resnet50",
        ),
        "efficientnet-lite0-kserve": Profile(
            backend="kserve",
            dataset="imagenet_efficientnet_lite",
            precision="default",
            served_model="efficientnet-lite0",
        ),
        "efficientnet-lite1-kserve": Profile(
            backend="kserve",
            dataset="imagenet_efficientnet_lite1",
            precision="default",
            served_model="efficientnet-lite1",
        ),
        "efficientnet-lite2-kserve": Profile(
            backend="kserve",
            dataset="imagenet_efficientnet_lite2",
            precision="default",
            served_model="efficientnet-lite2",
        ),
        # The name that pytorch-tvm had in earlier harnesses.
        "model1-tvm": PYTORCH_TVM,
        "null": Profile(
            backend="null", dataset="synthetic", precision="default", max_batchsize=1024
        ),
    }
)


def custom_profile(model: Path | None, backend: str | None) -> Profile:
    """That of the user's own model: the backend by its file, f32 where that can be asked for."""
    suffix = model.suffix.lower() if model else ""
    chosen = backend or READERS.get(suffix, PROFILES[CUSTOM].backend)
    precision = "f32" if chosen == PROFILES[CUSTOM].backend else "default"
    return Profile(backend=chosen, dataset=CUSTOM, precision=precision)


def profile(name: str) -> Profile:
    """The profile of that name; UnknownNameError with the nearest one otherwise."""
    return PROFILES[known_name("profile", name, PROFILES)]
