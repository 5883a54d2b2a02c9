"""Images that are computed, so that their pixels are the same everywhere."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Slopes, curves and edges in RGB, shape (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    red = (x * 3 + y * 2 + seed * 41) % 256
    green = (x * x // 29 + y * y // 23 + seed * 17) % 256
    blue = np.where((x // 9 + y // 7 + seed) % 2 == 0, 40, 215)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def jpeg(width: int = 60, height: int = 45, seed: int = 0) -> bytes:
    return _encoded(picture(width, height, seed), "JPEG")


def png(width: int = 60, height: int = 45, seed: int = 0) -> bytes:
    return _encoded(picture(width, height, seed), "PNG")


def _encoded(pixels: NDArray[np.uint8], file_format: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format)
    return buffer.getvalue()


def write_folder(folder: Path, images: Mapping[str, bytes]) -> Path:
    """A data set folder of these files; `val_map.txt` labels them 0, 1, 2, ..."""
    folder.mkdir(parents=True)
    for name, data in images.items():
        (folder / name).write_bytes(data)
    lines = (f"{name} {label}\n" for label, name in enumerate(images))
    (folder / "val_map.txt").write_text("".join(lines))
    return folder
