"""Profiles: named defaults for a kind of model on a backend. The command line overrides them."""

from collections.abc import Mapping, Sequence
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


LOCAL = ("openvino", "onnxruntime", "torch", "inductor", "tvm")
EVERYWHERE = (*LOCAL, "kserve")


def _on_each(
    backends: Sequence[str], model: str, dataset: str, served_model: str | None = None
) -> dict[str, Profile]:
    """MODEL-BACKEND for each of `backends`."""
    return {
        f"{model}-{backend}": Profile(
            backend=backend,
            dataset=dataset,
            precision="f32" if backend == "openvino" else "default",
            served_model=served_model if backend == "kserve" else None,
        )
        for backend in backends
    }


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
    _on_each(EVERYWHERE, "pytorch", "imagenet_pytorch", served_model="resnet50")
    | _on_each(("openvino", "onnxruntime", "tvm"), "reference", "imagenet")
    | _on_each(
        EVERYWHERE,
        "efficientnet-lite0",
        "imagenet_efficientnet_lite",
        served_model="efficientnet-lite0",
    )
    | _on_each(
        ("openvino", "tvm", "kserve"),
        "efficientnet-lite1",
        "imagenet_efficientnet_lite1",
        served_model="efficientnet-lite1",
    )
    | _on_each(
        ("openvino", "tvm", "kserve"),
        "efficientnet-lite2",
        "imagenet_efficientnet_lite2",
        served_model="efficientnet-lite2",
    )
    | _on_each(
        ("openvino", "onnxruntime", "torch", "inductor", "tvm"), "deit-tiny", "imagenet_deit"
    )
    | {
        CUSTOM: Profile(backend="openvino", dataset=CUSTOM),
        # The name that pytorch-tvm had in earlier harnesses.
        "model1-tvm": Profile("tvm", "imagenet_pytorch", precision="default"),
        "null": Profile("null", "synthetic", precision="default", max_batchsize=1024),
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
