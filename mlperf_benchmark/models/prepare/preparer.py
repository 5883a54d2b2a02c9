"""The steps from weights to a model file with its description."""

import dataclasses
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.errors import BenchmarkError, ModelError, OutputError, UsageError
from mlperf_benchmark.core.files import file_sha256, refuse_unwritable, staged
from mlperf_benchmark.core.text import first_line, printable
from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.models.files.calibration_list import (
    calibration_list_path,
    write_calibration_list,
)
from mlperf_benchmark.models.files.description import (
    Making,
    ModelDescription,
    Quantization,
    description_path,
    tool_versions,
    write_description,
)
from mlperf_benchmark.models.files.formats import FORMATS, ModelFormat
from mlperf_benchmark.models.files.ir_pair import is_ir, weights_of
from mlperf_benchmark.models.files.model_files import model_files
from mlperf_benchmark.models.optimize.config import QuantizationConfig
from mlperf_benchmark.models.optimize.quantizers.quantizer import Quantizer, make_quantizer
from mlperf_benchmark.models.prepare.calibration import (
    CALIBRATION_NEEDED,
    CalibrationImages,
    CalibrationSource,
    load_calibration,
)
from mlperf_benchmark.models.prepare.foreign import ForeignSubject
from mlperf_benchmark.models.prepare.recipe import Recipe
from mlperf_benchmark.models.prepare.subject import Subject, TorchSubject
from mlperf_benchmark.models.prepare.variant import quantize_model


def prepare_model(recipe: Recipe) -> Path:
    """Make the model file that `recipe` asks for and return its path.

    Raises UsageError and its kinds for what cannot be used; leaves nothing half-written.
    """
    options = (recipe.compilation,) if recipe.compilation else ()
    file_format: ModelFormat = FORMATS.load(recipe.file_format)(*options)
    if recipe.quantization and not file_format.takes_int8:
        raise UsageError(
            f"--precision {recipe.precision} does not apply to {recipe.file_format} files;"
            " --backend onnxruntime, openvino or tvm run INT8."
        )
    subject = ForeignSubject(recipe) if recipe.is_file else TorchSubject(recipe)
    quantizer = _quantizer(recipe, subject)
    needs_images = recipe.pruning is not None or (quantizer is not None and quantizer.needs_images)
    _check_images(recipe, subject, needed=needs_images)
    refuse_unwritable(recipe.output)
    start = time.monotonic()
    subject.load()
    _refuse_quantized_twice(recipe, subject)
    stem = recipe.file_stem(subject.pruning.ratio if subject.pruning else None)
    target = recipe.output / f"{stem}.{recipe.file_format}"
    _refuse_existing(target, recipe)

    calibration = None
    if needs_images and subject.trained is None:
        calibration = _calibration(recipe, subject)
    with _faults_named(recipe):
        if recipe.pruning and calibration:
            subject.prune(calibration)
        graph, quantization = _graph(recipe, subject, file_format, quantizer, calibration)
        size, unpruned_size = subject.sizes()
    with staged(recipe.output) as folder, _faults_named(recipe):
        model = file_format.save(graph, folder, stem, printable(str(subject.weights)))
        own = calibration.contents if calibration else ()
        calibrated = tuple(dict.fromkeys((*subject.calibrated, *own)))
        if calibrated:
            write_calibration_list(model, calibrated)
        description = ModelDescription(
            architecture=subject.name,
            weights=subject.weights,
            dataset=subject.dataset,
            input_size=subject.input_size,
            precision=subject.precision,
            size=size,
            unpruned_size=unpruned_size,
            pruning=subject.pruning,
            fine_tuning=subject.fine_tuning,
            quantization=quantization,
            tools=tool_versions((*file_format.tools, *(quantizer.tools if quantizer else ()))),
            files={file.name: file_sha256(file) for file in sorted(folder.iterdir())},
            card=subject.card,
            making=Making(
                seconds=round(time.monotonic() - start, 1),
                images=len(own),
            ),
        )
        write_description(model, description)
    if not calibrated:
        # That of the file that is replaced.
        calibration_list_path(target).unlink(missing_ok=True)
    return target


def _graph(
    recipe: Recipe,
    subject: Subject,
    file_format: ModelFormat,
    quantizer: Quantizer | None,
    calibration: CalibrationImages | None,
) -> tuple[Any, Quantization | None]:
    """Return what `file_format` saves, and how it was quantized."""
    if subject.trained is not None:
        return file_format.convert(subject.trained), subject.quantization
    if quantizer is None:
        return subject.graph(file_format), subject.quantization
    pairs = subject.equalize() if quantizer.config.equalize else 0
    graph, quantization = quantize_model(
        subject.source(file_format.convert),
        quantizer,
        calibration,
        subject.load_labelled,
        evaluation_path=recipe.evaluation_path,
    )
    return graph, dataclasses.replace(quantization, equalized_pairs=pairs)


def _quantizer(recipe: Recipe, subject: Subject) -> Quantizer | None:
    """Return the quantizer that the recipe names, or None.

    Raises UsageError for settings that it does not support, before anything is downloaded.
    """
    if recipe.quantization is None:
        return None
    preset = recipe.quantization.preset or subject.quantization_preset
    quantizer = make_quantizer(recipe.quantization, preset)
    if quantizer.precision != recipe.precision:
        raise UsageError(
            f"--quantizer {recipe.quantization.quantizer} makes --precision {quantizer.precision},"
            f" not {recipe.precision}."
        )
    if quantizer.needs_module and not subject.has_module:
        raise UsageError(
            f"--quantizer {recipe.quantization.quantizer} needs the layers as a torch module, and"
            " an ONNX file has none: take another one (--list-quantizers)."
        )
    return quantizer


def _refuse_quantized_twice(recipe: Recipe, subject: Subject) -> None:
    """Refuse to change weights that were already trained in INT8."""
    if subject.trained is None:
        return
    trained = f"{recipe.weights} was trained in INT8 (finetune.py --qat)"
    if recipe.precision != "int8" or recipe.quantization is None:
        raise UsageError(f"{trained}: give --precision int8.")
    if recipe.pruning is not None:
        raise UsageError(f"{trained}: prune its weights before that, not now.")
    if recipe.quantization != QuantizationConfig():
        raise UsageError(
            f"{trained}, where the quantizer and its settings were chosen: leave them out."
        )


def _check_images(recipe: Recipe, subject: Subject, *, needed: bool) -> None:
    """Refuse unusable images before anything is downloaded."""
    if needed and recipe.calibration_path is None and subject.has_published_weights():
        raise UsageError(CALIBRATION_NEEDED)
    for folder in (recipe.calibration_path, recipe.evaluation_path):
        if folder is not None and not folder.is_dir():
            raise UsageError(f"There is no folder of images {folder}.")


def _calibration(recipe: Recipe, subject: Subject) -> CalibrationImages:
    """Load the images as the model takes them, and warn on stderr of doubts about them."""
    if recipe.calibration_path is not None:
        for remark in subject.remarks:
            tell(f"Note: {remark.text}")
    source = CalibrationSource(
        path=recipe.calibration_path,
        count=recipe.calibration_count,
        evaluation_path=recipe.evaluation_path,
        seed=recipe.seed,
        cache_dir=recipe.cache_dir,
    )
    calibration = load_calibration(source, subject, random_weights=subject.weights.sha256 is None)
    for doubt in calibration.doubts():
        sys.stderr.write(f"Warning: {doubt}\n")
    return dataclasses.replace(calibration, images=subject.fitted(calibration.images))


@contextmanager
def _faults_named(recipe: Recipe) -> Iterator[None]:
    """Turn any error that tools raise on a graph or module made elsewhere into ModelError.

    Errors with an architecture of the product are raised unchanged, as they are its faults.
    """
    try:
        yield
    except (BenchmarkError, OSError):
        raise
    except Exception as error:
        if not (recipe.is_file or recipe.architecture):
            raise
        raise ModelError(f"{recipe.model} cannot be used: {first_line(error)}") from error


def _refuse_existing(target: Path, recipe: Recipe) -> None:
    paths = [target, description_path(target)]
    if is_ir(target):
        paths.append(weights_of(target))
    read = {file.resolve() for file in model_files(Path(recipe.model))} if recipe.is_file else set()
    for path in paths:
        if path.resolve() in read:
            raise OutputError(
                f"{path} is a file of the model itself. Give another --output or --name."
            )
        if path.exists() and not recipe.overwrite:
            raise OutputError(f"{path} exists. Give --overwrite, or another --output or --name.")
