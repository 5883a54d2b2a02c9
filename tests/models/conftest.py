"""Real models and images that the tests of model preparation share."""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES
from mlperf_benchmark.models.architectures.weights import load_weights

REAL_IMAGES = Path(__file__).parents[2].parent / "shared" / "imagenet-300"


@dataclass(frozen=True)
class Labelled:
    """EfficientNet-Lite0's input, float32 (count, 3, 224, 224), and the right classes."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def preprocess(path: Path) -> NDArray[np.float32]:
    """EfficientNet-Lite0's preprocessing, independent of the product's own."""
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize([round(side * scale) for side in image.size], Image.Resampling.BICUBIC)
    left, top = ((side - 224) // 2 for side in image.size)
    pixels = np.array(image.crop((left, top, left + 224, top + 224)), np.float32)
    normalised: NDArray[np.float32] = (pixels - np.float32(127)) / np.float32(128)
    planes: NDArray[np.float32] = normalised.transpose(2, 0, 1)
    return planes


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Torch's threads wait for each other busily, and for ever on a machine that is busy."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_images() -> Path:
    """Folder with the 200 labelled images for accuracy and the 100 for calibration."""
    if not REAL_IMAGES.is_dir():
        pytest.skip(f"needs the labelled images in {REAL_IMAGES}")
    return REAL_IMAGES


@pytest.fixture(scope="session")
def validation(real_images: Path) -> Labelled:
    folder = real_images / "val"
    rows = [line.split() for line in (folder / "val_map.txt").read_text().splitlines()]
    images = np.stack([preprocess(folder / name) for name, _ in rows])
    return Labelled(images, np.array([int(label) for _, label in rows]))


def load(name: str, weights: str, cache_dir: Path) -> nn.Module:
    architecture = ARCHITECTURES.load(name)
    loaded = load_weights(
        architecture, weights, seed=0, cache_dir=cache_dir, progress=lambda *_: None
    )
    return loaded.module


@pytest.fixture(scope="session")
def loaded_lite0(cache_dir: Path) -> nn.Module:
    return load("efficientnet-lite0", "package", cache_dir)


@pytest.fixture(scope="session")
def loaded_resnet50(cache_dir: Path) -> nn.Module:
    return load("resnet50", "random", cache_dir)


@pytest.fixture
def lite0(loaded_lite0: nn.Module) -> nn.Module:
    """EfficientNet-Lite0 with its ImageNet weights, to change at will."""
    return copy.deepcopy(loaded_lite0)


@pytest.fixture
def resnet50(loaded_resnet50: nn.Module) -> nn.Module:
    """ResNet-50 with random weights, to change at will."""
    return copy.deepcopy(loaded_resnet50)
