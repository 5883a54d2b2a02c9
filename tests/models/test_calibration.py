"""What is said of images that calibrate."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES
from mlperf_benchmark.models.prepare.calibration import CalibrationSource, load_calibration
from mlperf_benchmark.models.prepare.model_input import BATCH, ModelInput
from mlperf_benchmark.models.prepare.sample import Sample


def test_images_that_tell_too_little_are_doubtful(
    sample: Sample, cache_dir: Path, tmp_path: Path
) -> None:
    """Copies count once; images of one colour have no range to show."""
    original = next(sample.images.glob("*.jpg"))
    for number in range(40):
        shutil.copyfile(original, tmp_path / f"copy{number}.jpg")
    for number in range(2):
        Image.new("RGB", (300, 300), (0, 90 * number, 0)).save(tmp_path / f"blank{number}.png")
    source = CalibrationSource(tmp_path, None, None, 0, cache_dir)
    architecture = ARCHITECTURES.load("efficientnet-lite0")
    few, blank = load_calibration(source, architecture, random_weights=False).doubts()
    assert few.startswith("3 different calibration images may not show")
    assert blank.startswith("2 of 42 calibration images are of one colour")
    enough = tmp_path / "enough"
    enough.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (32, 8, 8, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(enough / f"{number}.png")
    real = CalibrationSource(enough, None, None, 0, cache_dir)
    assert load_calibration(real, architecture, random_weights=False).doubts() == []
    noise = CalibrationSource(None, None, None, 0, cache_dir)
    assert load_calibration(noise, architecture, random_weights=True).doubts() == []


def test_no_image_counts_more_than_others_in_averages_over_portions() -> None:
    def numbers(indices: Sequence[int]) -> NDArray[np.float32]:
        return np.array(indices, np.float32)

    for count in (1, BATCH, BATCH + 1, 3 * BATCH - 1):
        portions = list(ModelInput(count, numbers).portions())
        sizes = [len(portion) for portion in portions]
        assert np.concatenate(portions).tolist() == list(range(count))
        assert max(sizes) <= min(BATCH, min(sizes) + 1)
