"""The steps that make a variant of a model by pruning or quantizing it."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.weights import LoadedModel
from mlperf_benchmark.models.files.calibration_list import refuse_calibration_images
from mlperf_benchmark.models.files.description import AccuracyControl, Pruning, Quantization
from mlperf_benchmark.models.optimize.accuracy_control import Labelled, quantize_within_drop
from mlperf_benchmark.models.optimize.config import PruningConfig
from mlperf_benchmark.models.optimize.macs import count_macs
from mlperf_benchmark.models.optimize.pruning.evidence import LABELS, OWN_ANSWERS
from mlperf_benchmark.models.optimize.pruning.pruner import prune
from mlperf_benchmark.models.optimize.quantizers.quantizer import Quantizer, Source
from mlperf_benchmark.models.prepare.calibration import CalibrationImages
from mlperf_benchmark.models.prepare.images import ImageSelection, select_labelled
from mlperf_benchmark.models.prepare.latency.bench import Bench
from mlperf_benchmark.models.prepare.latency.latency_budget import latency_budget
from mlperf_benchmark.models.prepare.model_input import Batches, ModelInput

NO_IMAGES = np.empty((0, 3, 1, 1), np.float32)
LoadLabelled = Callable[[ImageSelection], tuple[ModelInput, NDArray[np.int64]]]
"""Loads images as the model takes them, with the indices of the right classes among its scores."""


def prune_model(
    loaded: LoadedModel,
    architecture: Architecture,
    config: PruningConfig,
    seed: int,
    calibration: CalibrationImages,
    *,
    bench: Bench | None = None,
) -> Pruning:
    """Prune the module in place and return a record of it. Raises UsageError or ModelError.

    `bench` measures latency if that is the budget.
    """
    if loaded.pruning is not None:
        raise UsageError(
            "These weights are pruned already; leave --prune out, or prune the original ones."
        )
    size = architecture.input_size
    before = count_macs(loaded.module, size)
    start = time.monotonic()
    with ExitStack() as stack:
        budget = None
        if bench is not None:
            budget = stack.enter_context(latency_budget(loaded.module, architecture, config, bench))
        gradients_from = prune(
            loaded.module,
            size,
            config,
            seed,
            Batches(calibration.images),
            labels=calibration.labels,
            budget=budget,
        )
    seconds = time.monotonic() - start
    _tell_gradients(config, gradients_from, calibration)
    return Pruning(
        method=config.method,
        scope=config.scope,
        channels=config.channels,
        ratio=config.prune,
        reached=round(1 - count_macs(loaded.module, size) / before, 4),
        round_to=config.round_to,
        seed=seed,
        batch_norm=calibration.description,
        reconstruct=config.reconstruct,
        gradients_from=gradients_from,
        seconds=round(seconds, 1),
        latency=budget.description() if budget else None,
    )


def _tell_gradients(
    config: PruningConfig, gradients_from: Sequence[str], calibration: CalibrationImages
) -> None:
    """Say on stderr which targets the gradients of the loss were computed with."""
    if LABELS in gradients_from:
        tell(f"{config.method} took gradients towards the labels of the calibration images.")
    if OWN_ANSWERS in gradients_from:
        why = "" if calibration.labels else ", as the calibration images have no labels"
        tell(f"Gradients were taken towards the unpruned model's own answers{why}.")


def quantize_model(
    source: Source,
    quantizer: Quantizer,
    calibration: CalibrationImages | None,
    load_labelled: LoadLabelled | None = None,
    *,
    evaluation_path: Path | None = None,
) -> tuple[Any, Quantization]:
    """Quantize the model and return it with a record. A limit on the drop needs `load_labelled`.

    Raises UsageError, DatasetError or ModelError.
    """
    config = quantizer.config
    control = None
    if calibration is None:
        quantized = quantizer.quantize(source, NO_IMAGES)
    elif config.validation_path is None or config.max_drop is None:
        quantized = quantizer.quantize(source, calibration.images)
    else:
        assert load_labelled is not None
        selection = _validation_images(config.validation_path, calibration, evaluation_path)
        quantized, control = _within_drop(
            source, quantizer, calibration, selection, load_labelled(selection)
        )
    return quantized, Quantization(
        method=quantizer.method,
        preset=quantizer.preset,
        range_estimator=config.range_estimator,
        fast_bias_correction=config.fast_bias_correction,
        overflow_fix=config.overflow_fix,
        calibration=calibration.description if calibration else None,
        accuracy_control=control,
        quantizer=config.quantizer,
        bias_correction=quantizer.corrects_bias,
        keep_fp32=config.keep_fp32,
    )


def _within_drop(
    source: Source,
    quantizer: Quantizer,
    calibration: CalibrationImages,
    selection: ImageSelection,
    labelled: tuple[ModelInput, NDArray[np.int64]],
) -> tuple[Any, AccuracyControl]:
    """Quantize all but the layers that `max_drop` asks for on the `labelled` images."""
    config = quantizer.config
    assert config.max_drop is not None
    quantized, outcome = quantize_within_drop(
        quantizer,
        source,
        calibration.images,
        Labelled(*labelled),
        max_drop=config.max_drop,
    )
    sys.stderr.write(
        f"Top-1 on {len(labelled[0])} validation images: {outcome.fp32_right} right in FP32,"
        f" {outcome.int8_right} in INT8 with {len(outcome.reverted)} layers back in FP32.\n"
    )
    return quantized, AccuracyControl(
        max_drop=config.max_drop,
        validation=selection.description(),
        fp32_right=outcome.fp32_right,
        int8_right=outcome.int8_right,
        reverted=outcome.reverted,
    )


def _validation_images(
    folder: Path, calibration: CalibrationImages, evaluation_path: Path | None
) -> ImageSelection:
    selection = select_labelled(folder, 0)
    refuse_calibration_images(calibration.contents, [folder / name for name in selection.names])
    if evaluation_path is not None:
        selection.refuse_overlap(evaluation_path)
    return selection
