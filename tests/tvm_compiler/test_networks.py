"""Whole networks: EfficientNet-Lite0 on real images against OpenVINO, ResNet-50 against ORT."""

from dataclasses import dataclass
from pathlib import Path

import nncf
import numpy as np
import onnx
import pytest
import torch
from nncf.quantization.advanced_parameters import OverflowFix
from numpy.typing import NDArray
from torch import nn

from backend import Backend
from backend_openvino import OpenVINOBackend
from dataset import DATASETS, DatasetConfig
from mlperf_benchmark.core.image_format import ImageFormat, Images
from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES
from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.architectures.weights import load_weights
from tests.tvm_compiler.conftest import Compiler, backend_config
from tests.tvm_compiler.graphs import normalised, quantized, random_images, reference

REAL_IMAGES = Path(__file__).parents[2].parent / "shared" / "imagenet-300"


@dataclass(frozen=True)
class Validation:
    images: Images
    labels: NDArray[np.int64]
    image: ImageFormat


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> Validation:
    """200 labelled images as the harness hands them to a backend."""
    if not REAL_IMAGES.is_dir():
        pytest.skip(f"needs the labelled images in {REAL_IMAGES}")
    config = DatasetConfig(REAL_IMAGES / "val", None, tmp_path_factory.mktemp("cache"), None)
    dataset = DATASETS.load("imagenet_efficientnet_lite")(config)
    count = dataset.prepare().count
    return Validation(dataset.load(range(count)), dataset.labels, dataset.image)


def load(name: str, weights: str, cache_dir: Path) -> nn.Module:
    torch.set_num_threads(2)
    architecture = ARCHITECTURES.load(name)
    return load_weights(
        architecture, weights, seed=0, cache_dir=cache_dir, progress=lambda *_: None
    ).module


@pytest.fixture(scope="module")
def lite0(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    folder = tmp_path_factory.mktemp("weights")
    return export_onnx(load("efficientnet-lite0", "package", folder), 224)


@pytest.fixture(scope="module")
def lite0_int8(lite0: onnx.ModelProto, validation: Validation) -> onnx.ModelProto:
    """Quantized by NNCF, with a scale per channel of what depthwise convolutions read.

    Weights have 7 bits: with 8, OpenVINO's sums overflow on processors without VNNI.
    """
    samples = normalised(validation.images[::20], validation.image)
    dataset = nncf.Dataset([sample[np.newaxis] for sample in samples], lambda x: {"input": x})
    parameters = nncf.AdvancedQuantizationParameters(overflow_fix=OverflowFix.ENABLE)
    model: onnx.ModelProto = nncf.quantize(
        lite0, dataset, subset_size=len(samples), advanced_parameters=parameters
    )
    return model


def openvino(model: onnx.ModelProto, folder: Path, image: ImageFormat) -> Backend:
    path = folder / "model.onnx"
    onnx.save(model, path)
    backend = OpenVINOBackend(backend_config(path, image, precision="f32"))
    backend.load()
    return backend


def top_1(backend: Backend, images: Images) -> NDArray[np.int64]:
    return np.array([backend.predict(images[i : i + 1]).argmax() for i in range(len(images))])


def test_lite0_fp32_decides_as_openvino_image_by_image(
    lite0: onnx.ModelProto, validation: Validation, compiler: Compiler, tmp_path: Path
) -> None:
    ours = compiler.load(compiler.compile(lite0, batches=(1,)), validation.image)
    theirs = openvino(lite0, tmp_path, validation.image)

    found = top_1(ours, validation.images)

    np.testing.assert_array_equal(found, top_1(theirs, validation.images))
    assert np.sum(found == validation.labels) >= 178
    assert not any("No schedule" in line for line in compiler.lines)


def test_lite0_int8_is_as_accurate_as_openvino(
    lite0_int8: onnx.ModelProto, validation: Validation, compiler: Compiler, tmp_path: Path
) -> None:
    ours = compiler.load(compiler.compile(lite0_int8, batches=(1,)), validation.image)
    theirs = openvino(lite0_int8, tmp_path, validation.image)

    correct = np.sum(top_1(ours, validation.images) == validation.labels)

    assert abs(correct - np.sum(top_1(theirs, validation.images) == validation.labels)) <= 2
    assert not any("No schedule" in line for line in compiler.lines)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_resnet50_equals_onnx_runtime(precision: str, compiler: Compiler, tmp_path: Path) -> None:
    image = ImageFormat(224, 224, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    model = export_onnx(load("resnet50", "random", tmp_path), 224)
    images = random_images(2, 224, 224)
    if precision == "int8":
        model = quantized(model, [normalised(random_images(2, 224, 224, 1), image)], tmp_path)
    path = compiler.compile(model, batches=(2,))

    scores = compiler.load(path, image, max_batch_size=2).predict(images)

    expected = reference(model, images, image)
    tolerance = 1e-5 if precision == "float32" else 0.05
    assert np.abs(scores - expected).max() < tolerance * np.abs(expected).max()
    assert not any("No schedule" in line for line in compiler.lines)


def test_winograd_decides_as_direct_convolutions_image_by_image(
    validation: Validation, compiler: Compiler, tmp_path: Path
) -> None:
    model = export_onnx(load("resnet50", "random", tmp_path), 224)
    images = validation.images

    def decisions(*, exact: bool) -> NDArray[np.int64]:
        path = compiler.compile(model, batches=(8,), exact_convolutions=exact)
        backend = compiler.load(path, validation.image, max_batch_size=8)
        parts = [images[first : first + 8] for first in range(0, len(images), 8)]
        return np.concatenate([backend.predict(part).argmax(axis=1) for part in parts])

    np.testing.assert_array_equal(decisions(exact=False), decisions(exact=True))
    assert any("Winograd" in line for line in compiler.lines)
