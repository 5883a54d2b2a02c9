"""answers.npz: what an accuracy run answered to each image. Documented in docs/results.md."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.image_format import Scores

# Cannot be part of a file's name.
SEPARATOR = "\0"


@dataclass(frozen=True, eq=False)
class Answers:
    """In the order of the data set.

    `classes` is the class that the model chose for each image, int64, shape (images,). `names`
    are the images' names in the label list; empty where they have none. `labels` has the shape of
    `classes`; None where a right answer means nothing: images without labels, random weights.
    `scores` are of the first images alone, shape (at most 1000, number of classes); None where
    the model answers classes.
    """

    classes: NDArray[np.int64]
    names: tuple[str, ...]
    labels: NDArray[np.int64] | None = None
    scores: Scores | None = None

    @property
    def right(self) -> NDArray[np.bool_] | None:
        """Whether each image was answered right."""
        return None if self.labels is None else self.classes == self.labels

    def same_images(self, other: "Answers") -> bool:
        """Whether both are of the same images in the same order, and their labels equal if both
        have any.
        """
        if len(self.classes) != len(other.classes) or self.names != other.names:
            return False
        if self.labels is None or other.labels is None:
            return True
        return np.array_equal(self.labels, other.labels)

    def write(self, path: Path) -> None:
        parts: dict[str, NDArray[Any]] = {"classes": self.classes}
        # As bytes: in an array of texts numpy gives each the room of the longest.
        names = SEPARATOR.join(self.names).encode(errors="surrogateescape")
        parts["names"] = np.frombuffer(names, np.uint8)
        if self.labels is not None:
            parts["labels"] = self.labels
        if self.scores is not None:
            parts["scores"] = self.scores
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **parts)


def load_answers(path: Path) -> Answers:
    """Read what `write` wrote. Raises OSError, or ValueError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as parts:
            text = parts["names"].tobytes().decode(errors="surrogateescape")
            names = tuple(text.split(SEPARATOR)) if text else ()
            found = Answers(parts["classes"], names, parts.get("labels"), parts.get("scores"))
    except (KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} holds no answers: {error}") from error
    count = len(found.classes)
    if len(found.names) not in (0, count) or (
        found.labels is not None and len(found.labels) != count
    ):
        raise ValueError(f"{path} holds answers, names and labels of different numbers")
    return found
