"""The steps of `prepare.py sensitivity`; each layer is recorded as soon as it is measured."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from mlperf_benchmark.core.errors import Interrupted, OutputError, UsageError
from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES, Architecture
from mlperf_benchmark.models.optimize.config import CRITERIA
from mlperf_benchmark.models.optimize.distillation import count_right
from mlperf_benchmark.models.optimize.pruning.criterion import Criterion
from mlperf_benchmark.models.optimize.pruning.evidence import Evidence
from mlperf_benchmark.models.optimize.pruning.sensitivity import (
    LayerSensitivity,
    measure_sensitivity,
)
from mlperf_benchmark.models.prepare.calibration import (
    CalibrationImages,
    CalibrationSource,
    load_calibration,
)
from mlperf_benchmark.models.prepare.images import load_images, select_images
from mlperf_benchmark.models.prepare.initial_weights import initial_weights
from mlperf_benchmark.models.prepare.model_input import Batches, LabelledBatches, ModelInput
from mlperf_benchmark.models.prepare.sensitivity_options import SensitivityRun
from mlperf_benchmark.models.prepare.sensitivity_record import (
    Sensitivity,
    read_record,
    write_record,
)

Report = Callable[[str], None]


def find_sensitivity(run: SensitivityRun, report: Report) -> Path:
    """Measure the layers that the output folder lacks and return that folder.

    An interrupted run continues after the last complete layer. Raises UsageError or one of its
    subclasses.
    """
    earlier = None if run.overwrite else read_record(run.output)
    architecture: Architecture = ARCHITECTURES.load(run.model)
    loaded = initial_weights(architecture, run.weights, seed=run.seed, cache_dir=run.cache_dir)
    if loaded.quantized is not None:
        raise UsageError(
            f"{run.weights} was trained in INT8 (finetune.py --qat): give the weights before that."
        )
    source = CalibrationSource(
        run.calibration_path, run.calibration_count, run.validation_path, run.seed, run.cache_dir
    )
    calibration = load_calibration(
        source, architecture, random_weights=loaded.weights.sha256 is None
    )
    measure, counted_on, wanted, name = _counted(run, architecture, loaded.module, calibration)
    count = partial(_count, counted_on, wanted)
    record = Sensitivity(
        run={
            "model": run.model,
            "weights": str(loaded.weights),
            "method": run.method,
            "seed": str(run.seed),
            "calibration": str(calibration.description),
            "counted on": name,
        },
        measure=measure,
        good=count(loaded.module),
        total=len(counted_on),
    )
    if earlier is not None:
        _check_same(run.output, earlier, record)
        record = earlier

    report(f"Unpruned: {measure} {record.good}/{record.total}")
    report(_row("layer", "channels", [f"-{part:.0%}" for part in record.parts]))
    for layer in record.layers:
        report(_line(layer))
    criterion: Criterion = CRITERIA.load(run.method)(run.seed)
    evidence = Evidence(loaded.module, Batches(calibration.images), calibration.labels)
    known = {layer.layer for layer in record.layers}
    try:
        for layer in measure_sensitivity(
            loaded.module, architecture.input_size, criterion, evidence, count, known=known
        ):
            record = record.with_layer(layer)
            write_record(run.output, record)
            report(_line(layer))
    except Interrupted as interruption:
        interruption.leaves = (
            f"{run.output} keeps {len(record.layers)} layers, and the same command goes on"
        )
        raise
    return run.output


def _counted(
    run: SensitivityRun,
    architecture: Architecture,
    module: nn.Module,
    calibration: CalibrationImages,
) -> tuple[str, ModelInput, tuple[int, ...], str]:
    """Return what is counted, on which images, the expected answers, and the images'
    description.
    """
    images, labels, description = calibration.images, None, calibration.description
    if run.validation_path is not None:
        selection = select_images(run.validation_path, None, run.seed)
        images = load_images(
            selection, architecture.dataset, run.cache_dir, architecture.preprocessing
        )
        labels = selection.labels if selection.is_labelled else None
        description = selection.description()
    if labels is not None:
        return "top-1", images, labels, str(description)
    return "agreement", images, _answers(module, Batches(images)), str(description)


def _answers(module: nn.Module, batches: Iterable[Tensor]) -> tuple[int, ...]:
    with torch.no_grad():
        return tuple(int(answer) for batch in batches for answer in module(batch).argmax(1))


def _count(images: ModelInput, wanted: tuple[int, ...], module: nn.Module) -> int:
    good, _ = count_right(module, LabelledBatches(images, wanted), "cpu")
    return good


def _check_same(folder: Path, earlier: Sensitivity, now: Sensitivity) -> None:
    differences = [
        f"{name} was {earlier.run.get(name)}, now {value}"
        for name, value in now.run.items()
        if earlier.run.get(name) != value
    ]
    if differences:
        raise OutputError(
            f"{folder} holds another measurement ({'; '.join(differences)}). Give --overwrite or"
            " another --output."
        )


def _line(layer: LayerSensitivity) -> str:
    return _row(layer.layer, str(layer.channels), [str(good) for good in layer.good])


def _row(layer: str, channels: str, cells: list[str]) -> str:
    return f"{layer:<28} {channels:>8}" + "".join(f" {cell:>6}" for cell in cells)
