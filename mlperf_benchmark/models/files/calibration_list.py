"""The list, beside a model, of images it was calibrated or trained with, identified by content.

Accuracy on those images is meaningless, so that they are refused as evaluation images.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.errors import DatasetError, ModelError
from mlperf_benchmark.core.files import file_sha256

NAMED_AT_MOST = 3


@dataclass(frozen=True)
class CalibrationImage:
    """One image file. Its size avoids reading files that cannot be the same."""

    sha256: str
    size: int
    name: str

    def __str__(self) -> str:
        return f"{self.sha256} {self.size} {self.name}\n"


def describe_images(folder: Path, names: Iterable[str]) -> tuple[CalibrationImage, ...]:
    """Read the files and return what identifies them."""
    return tuple(
        CalibrationImage(file_sha256(folder / name), (folder / name).stat().st_size, name)
        for name in names
    )


def calibration_list_path(model: Path) -> Path:
    """Return the path of the list beside the model file."""
    return model.with_name(f"{model.name}.calibration.txt")


def write_calibration_list(model: Path, images: Sequence[CalibrationImage]) -> None:
    """Write the list of `images` beside `model`."""
    text = "".join(map(str, images))
    calibration_list_path(model).write_text(text, encoding="utf-8", errors="surrogateescape")


def read_calibration_list(model: Path) -> tuple[CalibrationImage, ...]:
    """Read the list beside `model`; empty if there is none. Raises ModelError."""
    path = calibration_list_path(model)
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        words = [line.split(maxsplit=2) for line in lines]
        return tuple(CalibrationImage(sha256, int(size), name) for sha256, size, name in words)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise ModelError(f"Cannot read the calibration list {path}: {error}.") from error


def refuse_calibration_images(
    images: Sequence[CalibrationImage], evaluation: Iterable[Path], *, use: str = "calibration"
) -> None:
    """Raise DatasetError when one of `images`, of that `use`, is among the files `evaluation`,
    under any name.
    """
    sizes = {image.size for image in images}
    if not sizes:
        return
    same_size = [file for file in evaluation if file.is_file() and file.stat().st_size in sizes]
    contents = {file_sha256(file) for file in same_size}
    shared = [image.name for image in images if image.sha256 in contents]
    if shared:
        more = ", …" if len(shared) > NAMED_AT_MOST else ""
        raise DatasetError(
            f"{len(shared)} of {len(images)} {use} images are evaluation images as well:"
            f" {', '.join(shared[:NAMED_AT_MOST])}{more}. Accuracy on images that a model was"
            " calibrated or trained with means nothing; take others."
        )
