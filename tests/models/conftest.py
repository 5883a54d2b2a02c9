"""Real models and images that the tests of model preparation share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from modelfiles.architecture import ARCHITECTURES
from modelfiles.weights import load_weights

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
    torch.set_num_threads(2)
    architecture = ARCHITECTURES.load(name)
    loaded = load_weights(
        architecture, weights, seed=0, cache_dir=cache_dir, progress=lambda *_: None
    )
    return loaded.module


@pytest.fixture
def lite0(tmp_path: Path) -> nn.Module:
    """EfficientNet-Lite0 with its ImageNet weights."""
    return load("efficientnet-lite0", "package", tmp_path)


@pytest.fixture
def resnet50(tmp_path: Path) -> nn.Module:
    """ResNet-50 with random weights."""
    return load("resnet50", "random", tmp_path)
