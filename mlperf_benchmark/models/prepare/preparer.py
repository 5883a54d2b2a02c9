"""The steps from weights to a model file with its description."""

import dataclasses
import sys
import time
from pathlib import Path

from torch import nn

from mlperf_benchmark.core.errors import OutputError, UsageError
from mlperf_benchmark.core.files import file_sha256, staged
from mlperf_benchmark.core.text import printable
from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES, Architecture
from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.architectures.weights import LoadedModel
from mlperf_benchmark.models.files.calibration_list import write_calibration_list
from mlperf_benchmark.models.files.description import (
    Making,
    ModelDescription,
    Size,
    description_path,
    tool_versions,
    write_description,
)
from mlperf_benchmark.models.files.formats import FORMATS, ModelFormat
from mlperf_benchmark.models.optimize.config import QuantizationConfig
from mlperf_benchmark.models.optimize.macs import count_macs, count_parameters
from mlperf_benchmark.models.optimize.quantizers.quantizer import (
    Quantizer,
    Source,
    make_quantizer,
)
from mlperf_benchmark.models.prepare.calibration import (
    CALIBRATION_NEEDED,
    CalibrationSource,
    load_calibration,
)
from mlperf_benchmark.models.prepare.initial_weights import initial_weights
from mlperf_benchmark.models.prepare.latency.bench import Bench
from mlperf_benchmark.models.prepare.recipe import Recipe
from mlperf_benchmark.models.prepare.variant import prune_model, quantize_model
from mlperf_benchmark.tvm_compiler.options import CompileOptions


def prepare_model(recipe: Recipe) -> Path:
    """Make the model file that `recipe` asks for and return its path.

    Raises UsageError and its kinds for what cannot be used; leaves nothing half-written.
    """
    options = (recipe.compilation,) if recipe.compilation else ()
    file_format: ModelFormat = FORMATS.load(recipe.file_format)(*options)
    if recipe.quantization and not file_format.takes_int8:
        raise UsageError(
            f"--precision int8 does not apply to {recipe.file_format} files; --backend "
            "onnxruntime, openvino or tvm run INT8."
        )
    architecture: Architecture = ARCHITECTURES.load(recipe.model)
    quantizer = _quantizer(recipe, architecture)
    _check_images(recipe, architecture)
    start = time.monotonic()
    loaded = initial_weights(
        architecture, recipe.weights, seed=recipe.seed, cache_dir=recipe.cache_dir
    )
    _refuse_quantized_twice(recipe, loaded)
    stem = recipe.file_stem(loaded.pruning.ratio if loaded.pruning else None)
    target = recipe.output / f"{stem}.{recipe.file_format}"
    _refuse_existing(target, overwrite=recipe.overwrite)

    calibration = None
    if loaded.quantized is None and (recipe.pruning or recipe.quantization):
        source = CalibrationSource(
            path=recipe.calibration_path,
            count=recipe.calibration_count,
            evaluation_path=recipe.evaluation_path,
            seed=recipe.seed,
            cache_dir=recipe.cache_dir,
        )
        calibration = load_calibration(
            source, architecture, random_weights=loaded.weights.sha256 is None
        )
        for doubt in calibration.doubts():
            sys.stderr.write(f"Warning: {doubt}\n")
    pruning = loaded.pruning
    if recipe.pruning and calibration:
        pruning = prune_model(
            loaded,
            architecture,
            recipe.pruning,
            recipe.seed,
            calibration,
            bench=_bench(recipe),
        )
    unquantized = Source(
        loaded.module,
        lambda module: export_onnx(module, architecture.input_size),
        file_format.convert,
    )
    quantization = loaded.quantization
    if loaded.quantized is not None:
        graph = file_format.convert(loaded.quantized)
    elif quantizer and calibration:
        graph, quantization = quantize_model(
            unquantized,
            quantizer,
            architecture,
            calibration,
            evaluation_path=recipe.evaluation_path,
            cache_dir=recipe.cache_dir,
        )
    else:
        graph = file_format.graph(loaded.module, architecture.input_size, export_onnx)
    with staged(recipe.output) as folder:
        model = file_format.save(graph, folder, stem, printable(str(loaded.weights)))
        if calibration and calibration.contents:
            write_calibration_list(model, calibration.contents)
        description = ModelDescription(
            architecture=architecture.name,
            weights=loaded.weights,
            dataset=architecture.dataset,
            input_size=architecture.input_size,
            precision=recipe.precision,
            size=_size(loaded.module, architecture),
            unpruned_size=_size(architecture.build(), architecture),
            pruning=pruning,
            fine_tuning=loaded.fine_tuning,
            quantization=quantization,
            tools=tool_versions((*file_format.tools, *(quantizer.tools if quantizer else ()))),
            files={file.name: file_sha256(file) for file in sorted(folder.iterdir())},
            making=Making(
                seconds=round(time.monotonic() - start, 1),
                images=len(calibration.contents) if calibration else 0,
            ),
        )
        write_description(model, description)
    return target


def _bench(recipe: Recipe) -> Bench | None:
    """Where latency is measured: compiled for single images, or as ONNX, which all others read."""
    if not recipe.times_layers:
        return None
    name = recipe.file_format if recipe.compilation else "onnx"
    options: tuple[CompileOptions, ...] = ()
    if recipe.compilation:
        options = (dataclasses.replace(recipe.compilation, batches=(1,), tune=0.0),)
    return Bench(
        backend=recipe.backend,
        file_format=FORMATS.load(name)(*options),
        threads=recipe.threads,
        cache_dir=recipe.cache_dir,
        options="".join(map(str, options)),
    )


def _quantizer(recipe: Recipe, architecture: Architecture) -> Quantizer | None:
    """Raises UsageError for settings that it does not have, before anything is downloaded."""
    if recipe.quantization is None:
        return None
    preset = recipe.quantization.preset or architecture.quantization_preset
    return make_quantizer(recipe.quantization, preset)


def _refuse_quantized_twice(recipe: Recipe, loaded: LoadedModel) -> None:
    """Weights that were trained in INT8 are what they are."""
    if loaded.quantized is None:
        return
    trained = f"{recipe.weights} was trained in INT8 (finetune.py --qat)"
    if recipe.quantization is None:
        raise UsageError(f"{trained}: give --precision int8.")
    if recipe.pruning is not None:
        raise UsageError(f"{trained}: prune its weights before that, not now.")
    if recipe.quantization != QuantizationConfig():
        raise UsageError(
            f"{trained}, where the quantizer and its settings were chosen: leave them out."
        )


def _check_images(recipe: Recipe, architecture: Architecture) -> None:
    """Refuse unusable images before anything is downloaded."""
    wanted = recipe.pruning is not None or recipe.quantization is not None
    if wanted and recipe.calibration_path is None and recipe.weights in architecture.weight_sources:
        raise UsageError(CALIBRATION_NEEDED)
    for folder in (recipe.calibration_path, recipe.evaluation_path):
        if folder is not None and not folder.is_dir():
            raise UsageError(f"There is no folder of images {folder}.")


def _size(module: nn.Module, architecture: Architecture) -> Size:
    macs = count_macs(module, architecture.input_size)
    return Size(gmacs=macs / 1e9, parameters=count_parameters(module))


def _refuse_existing(target: Path, *, overwrite: bool) -> None:
    for path in (target, description_path(target)):
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists. Give --overwrite, or another --output or --name.")
