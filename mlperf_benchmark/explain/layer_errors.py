"""Where a variant's accuracy goes: its layers beside the baseline's on real images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from backend import BackendConfig
from mlperf_benchmark.core.errors import DatasetError, InferenceError, ModelError
from mlperf_benchmark.core.image_format import padded
from mlperf_benchmark.explain.layer_errors_mending import Mending, find_mending
from mlperf_benchmark.explain.layer_errors_options import ErrorImages
from mlperf_benchmark.explain.layer_errors_record import Accuracy, VariantErrors
from mlperf_benchmark.explain.layer_errors_words import advised_options, sentences
from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.loadgen.labels import label_offset
from mlperf_benchmark.models.files.calibration_list import (
    read_calibration_list,
    refuse_calibration_images,
)
from mlperf_benchmark.models.files.description import ModelDescription, read_description
from mlperf_benchmark.models.optimize.layer_errors import measure_errors
from mlperf_benchmark.models.optimize.sensitive_layers import (
    WORST,
    Answered,
    count_answers,
    restoring,
)
from mlperf_benchmark.openvino_model.files import SUFFIXES
from mlperf_benchmark.openvino_model.graph import FittedModel, fit
from mlperf_benchmark.openvino_model.reading import read_model

RANDOM_WEIGHTS = "the weights are random"
NO_LABELS = "the images have no labels"
NOISE = "the images are noise: --dataset-path names real ones"
CALIBRATED = "some of these images were used to make the models"


ALIKE_DB, CAP_DB = 3.0, 60.0
"""ALIKE_DB is how much the SQNR of the scores may change when layer outputs are requested as well;
above CAP_DB only rounding counts.
"""


@dataclass(frozen=True)
class Model:
    """A model file and its display name."""

    name: str
    file: Path


@dataclass(frozen=True)
class ErrorSettings:
    """How models are read and how many layers are returned to FP32.

    All models are read with `backend`, whichever backend they were made for. The `worst` layers
    with the largest errors of their own are tried in FP32. `labels_offset` is added to the classes
    that the models answer; with None, the number of classes determines it.
    """

    backend: BackendConfig
    worst: int = WORST
    labels_offset: int | None = None


def explain_errors(
    models: Sequence[Model], images: ErrorImages, settings: ErrorSettings
) -> Accuracy:
    """Compare each model with the first on all `images`.

    All models are run by OpenVINO, on the CPU. Raises ModelError for files that it cannot open, and
    for models of different networks.
    """
    # Read the models first: their faults show within a second, images may take an hour to prepare.
    baseline, *variants = (_read(model, settings.backend) for model in models)
    info = images.dataset.prepare()
    found = [_explain(baseline, variant, images, settings) for variant in variants]
    return Accuracy(baseline.model.name, info.count, info.name, info.path, tuple(found))


@dataclass(frozen=True)
class _Read:
    model: Model
    description: ModelDescription | None
    fitted: FittedModel

    @property
    def graph(self) -> ov.Model:
        """The model with the scores as its only output."""
        results = [self.fitted.model.get_results()[self.fitted.output_index]]
        return ov.Model(results, self.fitted.model.get_parameters())


def _explain(
    baseline: _Read, variant: _Read, images: ErrorImages, settings: ErrorSettings
) -> VariantErrors:
    batch = _batch(baseline, variant)
    dataset = images.dataset
    labels, note = _labels(images, (baseline, variant))
    if labels is not None:
        labels = labels - label_offset(baseline.fitted.classes, settings.labels_offset)
    ours, theirs = baseline.graph, variant.graph
    total = len(dataset.labels)

    def batches() -> Iterator[tuple[NDArray[Any], int]]:
        for start in range(0, total, batch):
            pixels = dataset.load(list(range(start, min(start + batch, total))))
            yield padded(pixels, batch), len(pixels)

    name = variant.model.name
    shown = f"{total} images{'' if dataset.needs_path else ' of noise'}"
    tell(f"Comparing the layers of {name} with those of {baseline.model.name} on {shown}.")
    errors = measure_errors(ours, theirs, batches)
    reference = errors.baseline_scores
    restore = restoring(ours, theirs, batches, reference, labels)
    mending = Mending((), (), None)
    # A separate run, because OpenVINO rounds slightly differently when layer outputs are requested.
    answered = restore(())
    _check_alike(variant, count_answers(errors.scores, reference, labels), answered)
    is_quantized = _is_quantized(theirs)
    if is_quantized and not errors.is_pruned:
        worst = [point.name for point in errors.worst_layers(settings.worst)]
        tell(f"Returning the {len(worst)} worst layers of {name} to FP32, each alone and together.")
        mending = find_mending(worst, answered, restore)
    quantization = variant.description.quantization if variant.description else None
    found = VariantErrors(
        name=name,
        model=str(variant.model.file),
        points=errors.points,
        skipped=errors.skipped,
        baseline_good=count_answers(reference, reference, labels).good,
        answered=answered,
        note=note,
        is_quantized=is_quantized,
        is_pruned=errors.is_pruned,
        kept_fp32=quantization.keep_fp32 if quantization else (),
        quantizer=quantization.quantizer if quantization else None,
        mending=mending,
    )
    return replace(found, sentences=sentences(found), options=advised_options(found))


def _batch(baseline: _Read, variant: _Read) -> int:
    """Return the batch of both. Raises ModelError if they differ."""
    ours, theirs = baseline.fitted.batch, variant.fitted.batch
    if ours != theirs:
        raise ModelError(
            f"{baseline.model.file} takes batches of {ours} and {variant.model.file} of {theirs}:"
            " export both with the same batch, or with a dynamic one."
        )
    return ours


def _check_alike(variant: _Read, looked_at: Answered, answered: Answered) -> None:
    """Raise InferenceError if the layers that were looked at do not compute what counts."""
    if abs(_capped(looked_at) - _capped(answered)) > ALIKE_DB:
        raise InferenceError(
            f"OpenVINO computes {variant.model.file} differently while its layers are observed, so"
            " nothing can be said about them: give the model as .xml (prepare.py --backend"
            " openvino)."
        )


def _capped(answered: Answered) -> float:
    """Return the SQNR of the scores in dB, capped at CAP_DB, above which only rounding counts."""
    ratio = answered.scores_sqnr_db
    return min(CAP_DB, CAP_DB if ratio is None else ratio)


def _read(model: Model, config: BackendConfig) -> _Read:
    suffix = model.file.suffix.lower()
    if suffix not in SUFFIXES and model.file.is_file():
        raise ModelError(
            f"The layers of {model.file} cannot be inspected: OpenVINO does not read {suffix}"
            f" files. Give the model that it was made from as {', '.join(SUFFIXES)}; prepare.py"
            " makes one from the same options with --backend openvino."
        )
    description = read_description(model.file)
    graph = read_model(model.file, config.cache_dir)
    if suffix == ".onnx":
        # This expresses quantization by FakeQuantize nodes, as OpenVINO's own files do.
        graph = ov.convert_model(model.file)
    fitted = fit(graph, replace(config, model=model.file))
    if fitted.takes_argmax:
        raise ModelError(
            f"{model.file} answers the best class in place of scores, of which no error can be"
            " told: give the model without its ArgMax, or name its scores with --outputs."
        )
    return _Read(model, description, fitted)


def _labels(
    images: ErrorImages, models: Sequence[_Read]
) -> tuple[NDArray[np.int64] | None, str | None]:
    """Return the labels and None, or None and the reason why top-1 would be meaningless."""
    descriptions = [model.description for model in models]
    if any(one is not None and one.has_random_weights for one in descriptions):
        return None, RANDOM_WEIGHTS
    if not images.has_labels:
        return None, NO_LABELS if images.dataset.needs_path else NOISE
    dataset = images.dataset
    folder = dataset.config.path
    files = [folder / name for name in dataset.names] if folder is not None else []
    try:
        for model in models:
            refuse_calibration_images(read_calibration_list(model.model.file), files)
    except DatasetError:
        return None, CALIBRATED
    return dataset.labels, None


def _is_quantized(graph: ov.Model) -> bool:
    """Whether the graph contains quantization (FakeQuantize nodes)."""
    return any(node.get_type_name() == "FakeQuantize" for node in graph.get_ordered_ops())
