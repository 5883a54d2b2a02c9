"""The image files of a folder, links to folders and files included."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from mlperf_benchmark.core.errors import DatasetError
from mlperf_benchmark.core.junk import is_junk

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def find_images(folder: Path) -> list[str]:
    """Names relative to `folder`, sorted. The suffix decides, in upper or lower case.

    A folder that is reached in two ways counts once. Links that lead nowhere count, too, so that
    whoever reads them says so. Raises DatasetError for a folder that cannot be read.
    """
    return sorted(_images(folder))


def _images(root: Path) -> Iterator[str]:
    seen = {_identity(root)}
    for path, folders, files in os.walk(root, onerror=_refuse, followlinks=True):
        folders[:] = [
            name
            for name in sorted(folders)
            if not is_junk(name) and _is_new(Path(path, name), seen)
        ]
        for name in files:
            file = Path(path, name)
            if not is_junk(name) and _may_hold_image(file):
                yield str(file.relative_to(root))


def _may_hold_image(file: Path) -> bool:
    """Also for a link without suffix that leads nowhere: it may have led to a folder."""
    suffix = file.suffix.lower()
    return suffix in SUFFIXES or (not suffix and file.is_symlink() and not file.exists())


def _is_new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    identity = _identity(folder)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _refuse(error: OSError) -> NoReturn:
    raise DatasetError(f"Cannot read the folder {error.filename}: {error.strerror}.") from error
