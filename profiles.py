"""Profiles: named defaults for a kind of model on a backend. The command line overrides them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

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

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
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
        "deit-tiny-openvino": Profile(backend="openvino", dataset="imagenet_deit"),
        "deit-tiny-onnxruntime": Profile(
            backend="onnxruntime", dataset="imagenet_deit", precision="default"
        ),
        "deit-tiny-tvm": Profile(backend="tvm", dataset="imagenet_deit", precision="default"),
        "deit-tiny-torch": Profile(backend="torch", dataset="imagenet_deit", precision="default"),
        "deit-tiny-inductor": Profile(
            backend="inductor", dataset="imagenet_deit", precision="default"
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


def profile(name: str) -> Profile:
    """The profile of that name; UnknownNameError with the nearest one otherwise."""
    return PROFILES[known_name("profile", name, PROFILES)]
