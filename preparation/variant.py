"""The steps that make a variant of a model: pruned, quantized."""

from pathlib import Path
from typing import Any

import numpy as np

from contracts.errors import UsageError
from modelfiles.architecture import Architecture
from modelfiles.description import Pruning, Quantization
from modelfiles.weights import LoadedModel
from optimization.config import PruningConfig, QuantizationConfig
from optimization.macs import count_macs
from optimization.pruning.pruner import prune
from preparation.calibration import CalibrationImages
from preparation.images import load_images, select_images

NNCF = "NNCF post-training quantization"


def prune_model(
    loaded: LoadedModel,
    architecture: Architecture,
    config: PruningConfig,
    seed: int,
    calibration: CalibrationImages,
) -> Pruning:
    """Prune the module in place and say what was done. Raises UsageError or ModelError."""
    if loaded.pruning is not None:
        raise UsageError(
            "These weights are pruned already; leave --prune out, or prune the original ones."
        )
    size = architecture.input_size
    before = count_macs(loaded.module, size)
    prune(loaded.module, size, config, seed, calibration.batches())
    return Pruning(
        method=config.method,
        scope=config.scope,
        channels=config.channels,
        ratio=config.prune,
        reached=round(1 - count_macs(loaded.module, size) / before, 4),
        round_to=config.round_to,
        seed=seed,
        batch_norm=calibration.description,
    )


def quantize_graph(
    graph: Any,
    architecture: Architecture,
    config: QuantizationConfig,
    calibration: CalibrationImages,
    *,
    evaluation_path: Path | None,
    cache_dir: Path,
) -> tuple[Any, Quantization]:
    """Quantize the graph and say what was done. Raises UsageError, DatasetError or ModelError."""
    # NNCF takes seconds to import, and an FP32 model does not need it.
    from optimization.quantization import Labelled, quantize  # noqa: PLC0415

    preset = config.preset or architecture.quantization_preset
    control = None
    if config.validation_path is not None:
        selection = select_images(config.validation_path, None, 0)
        if evaluation_path is not None:
            selection.refuse_overlap(evaluation_path)
        images = load_images(selection, architecture.dataset, cache_dir)
        control = Labelled(images, np.array(selection.labels, np.int64))
    quantized = quantize(graph, calibration.images, config, preset, control)
    return quantized, Quantization(
        method=NNCF,
        preset=preset,
        range_estimator=config.range_estimator,
        fast_bias_correction=config.fast_bias_correction,
        max_drop=config.max_drop,
        calibration=calibration.description,
    )
