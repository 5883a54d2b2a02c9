"""The image files that a label list names: their state, their bytes, what is wrong with them."""

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlperf_benchmark.core.errors import DatasetError
from mlperf_benchmark.core.image_format import Samples
from mlperf_benchmark.core.label_list import LabelList
from mlperf_benchmark.images.build import BadImage

NAMED_AT_MOST = 5
NOTHING = "no such file or directory"


def files_state(label_list: LabelList, folder: Path) -> str:
    """Hex sha256 of the sizes and modification times. Raises DatasetError naming missing files."""
    digest = hashlib.sha256()
    missing = []
    for sample, name in enumerate(label_list.names):
        status = _status(folder / name)
        if isinstance(status, str):
            missing.append(BadImage(sample, status))
        else:
            digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
    if missing:
        raise _missing(missing, label_list, folder)
    return digest.hexdigest()


def _status(file: Path) -> os.stat_result | str:
    """Of a regular file, or why there is none."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return "a link that leads nowhere" if file.is_symlink() else NOTHING
    except (OSError, ValueError) as error:
        return (getattr(error, "strerror", None) or str(error)).lower()
    return status if stat.S_ISREG(status.st_mode) else "not a regular file"


def read_files(files: Sequence[Path]) -> Samples:
    """The bytes of each, an object array of shape (files,). Raises DatasetError."""
    contents = np.empty(len(files), object)
    try:
        contents[:] = [file.read_bytes() for file in files]
    except OSError as error:
        raise DatasetError(f"Cannot read {error.filename}: {error.strerror}.") from error
    return contents


def _missing(bad: Sequence[BadImage], label_list: LabelList, folder: Path) -> DatasetError:
    """Where nothing at all is there, it is another folder or another list."""
    count = len(label_list.names)
    if label_list.source.is_dir() or [image.reason for image in bad] != [NOTHING] * count:
        return unusable(bad, label_list)
    names = ", ".join(label_list.names[:NAMED_AT_MOST])
    more = ", …" if count > NAMED_AT_MOST else ""
    return DatasetError(
        f"{folder} holds none of the {count} images that {label_list.source} names ({names}{more})."
        " Give the folder that these names start from, or the list that belongs to the folder."
    )


def unusable(bad: Sequence[BadImage], label_list: LabelList) -> DatasetError:
    named = [f"{label_list.place(image.sample)}: {image.reason}" for image in bad[:NAMED_AT_MOST]]
    more = f"; and {len(bad) - len(named)} more" if len(bad) > len(named) else ""
    cure = (
        "Replace or remove them"
        if label_list.source.is_dir()
        else "Replace them or give a list without them"
    )
    return DatasetError(
        f"{len(bad)} of {len(label_list.names)} images cannot be used: {'; '.join(named)}{more}. "
        f"{cure}."
    )
