"""Where a variant's accuracy goes: its layers beside the baseline's on real images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from backend import BackendConfig
from dataset import Dataset
from mlperf_benchmark.core.errors import DatasetError, ModelError
from mlperf_benchmark.core.image_format import padded
from mlperf_benchmark.explain.layer_errors_mending import Mending, count_answers, find_mending
from mlperf_benchmark.explain.layer_errors_record import VariantErrors
from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.models.files.calibration_list import (
    read_calibration_list,
    refuse_calibration_images,
)
from mlperf_benchmark.models.files.description import ModelDescription, read_description
from mlperf_benchmark.models.optimize.layer_errors import measure_errors, scores_with
from mlperf_benchmark.openvino_model.files import SUFFIXES
from mlperf_benchmark.openvino_model.graph import FittedModel, fit
from mlperf_benchmark.openvino_model.reading import read_model

RANDOM_WEIGHTS = "the weights are random"
NO_LABELS = "the images have no labels"
CALIBRATED = "some of these images were used to make the models"


@dataclass(frozen=True)
class ErrorSettings:
    """`backend` says how models are read, whatever its model is; `worst` so many layers are tried
    in FP32 again.
    """

    backend: BackendConfig
    worst: int = 5


def explain_errors(
    baseline: Path, variants: Sequence[Path], dataset: Dataset, settings: ErrorSettings
) -> list[VariantErrors]:
    """Compare each variant with the baseline on all images of `dataset`, which is prepared.

    All models are run by OpenVINO, on the CPU. Raises ModelError for files that it cannot open, and
    for models of different networks.
    """
    base = _read(baseline, settings.backend)
    return [_explain(base, baseline, variant, dataset, settings) for variant in variants]


def _explain(
    base: FittedModel, baseline: Path, variant: Path, dataset: Dataset, settings: ErrorSettings
) -> VariantErrors:
    fitted = _read(variant, settings.backend)
    if fitted.batch != base.batch:
        raise ModelError(
            f"{baseline} takes batches of {base.batch} and {variant} of {fitted.batch}: export both"
            " with the same batch, or with a dynamic one."
        )
    description = read_description(variant)
    labels, note = _labels(dataset, baseline, variant, description)
    ours, theirs = _single(base), _single(fitted)

    def batches() -> Iterator[tuple[NDArray[Any], int]]:
        for start in range(0, len(dataset.labels), base.batch):
            images = dataset.load(range(start, min(start + base.batch, len(dataset.labels))))
            yield padded(images, base.batch), len(images)

    tell(f"Comparing the layers of {variant} with {baseline}'s on {len(dataset.labels)} images.")
    errors = measure_errors(ours, theirs, batches)
    reference = errors.baseline_scores
    answered = count_answers(errors.scores, reference, labels)
    is_quantized = _is_quantized(theirs)
    mending = Mending((), (), None)
    if is_quantized and not errors.is_pruned:
        worst = [point.name for point in errors.worst_layers(settings.worst)]
        tell(f"Returning each of the {len(worst)} worst layers to FP32.")
        mending = find_mending(
            worst,
            answered,
            lambda names: count_answers(
                scores_with(ours, theirs, names, batches), reference, labels
            ),
        )
    return VariantErrors(
        variant=str(variant),
        points=errors.points,
        skipped=errors.skipped,
        baseline_good=count_answers(reference, reference, labels).good,
        answered=answered,
        note=note,
        is_quantized=is_quantized,
        is_pruned=errors.is_pruned,
        kept_fp32=_kept(description),
        mending=mending,
    )


def _read(model: Path, config: BackendConfig) -> FittedModel:
    if model.suffix.lower() not in SUFFIXES and model.is_file():
        raise ModelError(
            f"The layers of {model} cannot be looked into: give the model that it was made from as"
            f" {', '.join(SUFFIXES)}. prepare.py makes it from the same options with --backend"
            " openvino."
        )
    return fit(read_model(model, config.cache_dir), replace(config, model=model))


def _single(fitted: FittedModel) -> ov.Model:
    """With the scores as the one output."""
    results = [fitted.model.get_results()[fitted.output_index]]
    return ov.Model(results, fitted.model.get_parameters())


def _labels(
    dataset: Dataset, baseline: Path, variant: Path, description: ModelDescription | None
) -> tuple[NDArray[np.int64] | None, str | None]:
    """None, and why, where right answers mean nothing."""
    descriptions = (read_description(baseline), description)
    if any(one is not None and one.has_random_weights for one in descriptions):
        return None, RANDOM_WEIGHTS
    if not dataset.has_labels:
        return None, NO_LABELS
    folder = dataset.config.path
    if folder is None:
        return dataset.labels, None
    files = [folder / name for name in dataset.names]
    try:
        for model in (baseline, variant):
            refuse_calibration_images(read_calibration_list(model), files)
    except DatasetError:
        return None, CALIBRATED
    return dataset.labels, None


def _kept(description: ModelDescription | None) -> tuple[str, ...]:
    quantization = description.quantization if description else None
    return quantization.keep_fp32 if quantization else ()


def _is_quantized(model: ov.Model) -> bool:
    """Whether values are put on a grid of integers somewhere."""
    return any(node.get_type_name() == "FakeQuantize" for node in model.get_ordered_ops())
