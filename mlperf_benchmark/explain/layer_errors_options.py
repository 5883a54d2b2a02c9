"""The options of --accuracy, and the images that they name."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from dataset import DATASETS, Dataset, DatasetConfig
from mlperf_benchmark.core.errors import DatasetError, UsageError
from mlperf_benchmark.core.label_list import LabelList
from mlperf_benchmark.core.option_values import positive_int
from mlperf_benchmark.core.parser import flag
from mlperf_benchmark.core.preprocessing import CustomPreprocessing
from mlperf_benchmark.images.image_files import find_images
from mlperf_benchmark.images.label_list import find_label_list, has_label_list
from mlperf_benchmark.models.optimize.sensitive_layers import WORST
from mlperf_benchmark.run.options import add_images

COUNT = 200


@dataclass(frozen=True)
class ErrorImages:
    """A data set that is not prepared yet; `has_labels` says whether its labels are meaningful."""

    dataset: Dataset
    has_labels: bool


def add_accuracy_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("accuracy")
    add = group.add_argument
    add(
        "--accuracy",
        action="store_true",
        help="also say where the variants' errors come from, layer by layer, on real images",
    )
    add_images(
        group,
        "folder with the images, labelled or not",
        f"use N images, spread over the whole list (default: at most {COUNT})",
    )
    add(
        "--worst-layers",
        type=positive_int,
        metavar="N",
        help=f"number of layers to return to FP32, each alone and together (default: {WORST})",
    )


def check_accuracy_options(options: argparse.Namespace) -> None:
    """Refuse contradicting options before anything is measured. Raises UsageError."""
    if options.accuracy:
        if len(options.models) < 2:
            raise UsageError("--accuracy compares variants with a baseline: name two models.")
        return
    for name in ("dataset_path", "dataset_list", "count", "worst_layers", "labels_offset"):
        if getattr(options, name) is not None:
            raise UsageError(f"{flag(name)} applies to --accuracy only.")


def choose_images(
    options: argparse.Namespace,
    dataset: str,
    preprocessing: CustomPreprocessing | None = None,
) -> ErrorImages:
    """Choose the images for --accuracy, preprocessed as for `dataset` or by `preprocessing`.

    Raises UsageError for unsuitable options and DatasetError if there are no images.
    """
    kind: type[Dataset] = DATASETS.load(dataset)
    folder = options.dataset_path
    if not kind.needs_path:
        if folder is not None:
            raise UsageError(
                f"The data set {dataset} has no image files: say with --dataset or --profile how"
                f" those in {folder} are preprocessed."
            )
        config = DatasetConfig(
            cache_dir=options.cache_dir,
            count=options.count or COUNT,
            preprocessing=preprocessing,
        )
        return ErrorImages(kind(config), kind.has_labels)
    if folder is None:
        raise UsageError("--accuracy needs real images: --dataset-path DIR.")
    if not folder.is_dir():
        raise DatasetError(f"The data set folder {folder} does not exist.")
    is_labelled = options.dataset_list is not None or has_label_list(folder)
    found = (
        find_label_list(folder, options.dataset_list, None) if is_labelled else _unlabelled(folder)
    )
    chosen = _spread(found, options.count)
    config = DatasetConfig(
        path=folder,
        image_list=options.dataset_list,
        cache_dir=options.cache_dir,
        count=len(chosen.names),
        samples=chosen,
        preprocessing=preprocessing,
    )
    return ErrorImages(kind(config), kind.has_labels and is_labelled)


def _unlabelled(folder: Path) -> LabelList:
    names = tuple(find_images(folder))
    if not names:
        raise DatasetError(f"The folder {folder} holds no images.")
    return LabelList(names, (0,) * len(names), folder)


def _spread(found: LabelList, count: int | None) -> LabelList:
    """Take `count` images at even distances: lists may be sorted by class."""
    available = len(found.names)
    if count is not None and count > available:
        raise DatasetError(f"{count} images were asked for, but {found.source} names {available}.")
    wanted = count or min(COUNT, available)
    places = [number * available // wanted for number in range(wanted)]
    return LabelList(
        tuple(found.names[place] for place in places),
        tuple(found.labels[place] for place in places),
        found.source,
    )
