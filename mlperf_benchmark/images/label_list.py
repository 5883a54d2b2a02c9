"""Finds the label list of a data set, in the forms that it may have."""

import re
from pathlib import Path

from mlperf_benchmark.core.errors import DatasetError
from mlperf_benchmark.core.label_list import LabelList
from mlperf_benchmark.images.image_files import find_images

CLASSES = 1000
LIST_NAMES = ("val_map.txt", "val.txt")
_WORDNET_ID = re.compile(r"n\d{8}")
_FORM = 'each line must be "file name, blank, class index"'


def find_label_list(folder: Path, image_list: Path | None, count: int | None) -> LabelList:
    """Read `image_list`, else `val_map.txt`, else `val.txt`, else count the class folders.

    `count` keeps the first samples only. Raises DatasetError.
    """
    try:
        if not folder.is_dir():
            raise DatasetError(f"The data set folder {folder} does not exist.")
        if image_list is not None:
            return _read(image_list, count)
        for name in LIST_NAMES:
            if (folder / name).is_file():
                return _read(folder / name, count)
        return _from_class_folders(folder, count)
    except OSError as error:
        raise DatasetError(f"Cannot read {error.filename or folder}: {error.strerror}.") from None


def _read(file: Path, count: int | None) -> LabelList:
    # File names are bytes, and need not be UTF-8.
    text = file.read_text(encoding="utf-8-sig", errors="surrogateescape").rstrip()
    if "\0" in text:
        raise DatasetError(f"The label list {file} is not a text file in UTF-8.")
    lines = text.split("\n") if text else []
    _check_count(count, len(lines), file)
    names: list[str] = []
    labels: list[int] = []
    first_seen: dict[str, int] = {}
    for number, line in enumerate(lines[:count], start=1):
        place = f"{file}:{number}"
        name, label = _parse(line, place)
        seen = first_seen.setdefault(name, number)
        if labels and seen < number and labels[seen - 1] != label:
            raise DatasetError(
                f"{place}: {name} has label {label} here and {labels[seen - 1]} in line {seen}."
            )
        names.append(name)
        labels.append(label)
    return LabelList(tuple(names), tuple(labels), file)


def _parse(line: str, place: str) -> tuple[str, int]:
    words = line.rsplit(maxsplit=1)
    if not words:
        raise DatasetError(f"{place}: blank line; {_FORM}, as the line numbers are the samples'.")
    if len(words) == 1:
        raise DatasetError(f'{place}: "{words[0]}" alone; {_FORM}.')
    name, label = words[0].strip(), words[1]
    if not re.fullmatch(r"-?[0-9]+", label):
        raise DatasetError(f'{place}: label "{label}" is not a whole number; {_FORM}.')
    if not 0 <= int(label) < CLASSES:
        raise DatasetError(
            f"{place}: label {label} is not in 0 to {CLASSES - 1}; class indices count from 0 in "
            "the order of the sorted WordNet ids."
        )
    return name, int(label)


def has_label_list(folder: Path) -> bool:
    """Whether `folder` tells the class of its images: by a list, or by 1000 class folders."""
    listed = any((folder / name).is_file() for name in LIST_NAMES)
    return listed or len(_class_folders(folder)) == CLASSES


def _class_folders(folder: Path) -> list[str]:
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if _WORDNET_ID.fullmatch(entry.name) and entry.is_dir()
    )


def _from_class_folders(folder: Path, count: int | None) -> LabelList:
    ids = _class_folders(folder)
    if not ids:
        raise DatasetError(
            f"No label list in {folder}: looked for {', '.join(LIST_NAMES)} and class folders "
            "(n01440764, ...). Give a list with --dataset-list."
        )
    if len(ids) != CLASSES:
        raise DatasetError(
            f"{folder} holds {len(ids)} class folders, not {CLASSES}: their order does not tell "
            'the class indices. Give a list of "n01440764/name.JPEG 0" lines with --dataset-list.'
        )
    names: list[str] = []
    labels: list[int] = []
    for label, wordnet_id in enumerate(ids):
        files = find_images(folder / wordnet_id)
        names += [f"{wordnet_id}/{name}" for name in files]
        labels += [label] * len(files)
    _check_count(count, len(names), folder)
    return LabelList(tuple(names[:count]), tuple(labels[:count]), folder)


def _check_count(count: int | None, available: int, source: Path) -> None:
    if available == 0:
        raise DatasetError(f"{source} names no images.")
    if count is not None and not 1 <= count <= available:
        raise DatasetError(f"{count} images were asked for, but {source} names {available}.")
