"""The steps of finetune.py: prune or quantize, train, and save a checkpoint after each epoch."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dataset import image_format
from mlperf_benchmark.core.errors import OutputError, RunError, UsageError
from mlperf_benchmark.core.files import refuse_unwritable, staged
from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES, Architecture
from mlperf_benchmark.models.architectures.finite import non_finite
from mlperf_benchmark.models.architectures.torch_file import write_errors
from mlperf_benchmark.models.architectures.weights import LoadedModel
from mlperf_benchmark.models.files.calibration_list import (
    CalibrationImage,
    describe_images,
    read_calibration_list,
    refuse_calibration_images,
    write_calibration_list,
)
from mlperf_benchmark.models.optimize.distillation import Distillation, DivergedError, count_right
from mlperf_benchmark.models.prepare.calibration import calibration_images
from mlperf_benchmark.models.prepare.finetune_options import FineTuningRun
from mlperf_benchmark.models.prepare.images import (
    ImageSelection,
    load_images,
    select_images,
    select_labelled,
)
from mlperf_benchmark.models.prepare.initial_weights import initial_weights
from mlperf_benchmark.models.prepare.model_input import LabelledBatches
from mlperf_benchmark.models.prepare.progress import training_progress
from mlperf_benchmark.models.prepare.pupils import (
    PrunedPupil,
    Pupil,
    QuantizedPupil,
    read_unfinished,
    resumed,
)
from mlperf_benchmark.models.prepare.training_images import TrainingImages

CALIBRATION_IMAGES = 256
REPORTED_AT_MOST = 5000
"""At most this many training images are used to report top-1 if no others are given."""

LISTED_AT_MOST = 20_000
"""Of a set like ImageNet's, whose validation images are others, reading all would take long."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class Labelled:
    """Images with their class indices; `labels` is None if they are not known."""

    batches: LabelledBatches | None

    def top1(self, module: nn.Module, device: str) -> str:
        """Return the number of right answers and of images as text."""
        if self.batches is None:
            return "not measured, as the images have no labels"
        good, total = count_right(module, self.batches, device)
        return f"{good}/{total} ({100 * good / total:.1f} %)"


def fine_tune(run: FineTuningRun, report: Report) -> Path:
    """Train as `run` asks and return the checkpoint's path.

    Raises UsageError or one of its subclasses. With `resume`, an interrupted run continues after
    its last complete epoch and gives the same weights.
    """
    _check_output(run)
    architecture: Architecture = ARCHITECTURES.load(run.model)
    device = _device(run)
    files = select_images(run.train_path, None, run.seed)
    tell(f"Training on {files}.")
    # What the weights were trained on before counts, too.
    trained = tuple(dict.fromkeys((*read_calibration_list(Path(run.weights)), *_listed(files))))
    labelled = _labelled(run, architecture, files, trained)
    teacher = initial_weights(architecture, run.weights, seed=run.seed, cache_dir=run.cache_dir)
    if teacher.quantized is not None:
        raise UsageError(f"{run.weights} was trained in INT8 already (--qat).")
    content = read_unfinished(run, _fingerprint(run)) if run.resume else None
    if content is None:
        pupil = _begin(run, architecture, teacher, files)
    else:
        pupil = resumed(content, run, architecture, teacher, images=len(files.names))
    training = Distillation(pupil.module, teacher.module, run.training, device)
    report(f"{pupil.before}: top-1 {labelled.top1(teacher.module, device)}")
    first = 0
    if content is not None:
        training.restore(content["resume"]["optimizer"])
        first = content["resume"]["epochs"]
    report(f"{pupil.state}, {first} epochs: top-1 {labelled.top1(pupil.module, device)}")

    images = TrainingImages(
        [files.folder / name for name in files.names],
        image_format(architecture.dataset, architecture.preprocessing),
        run.seed,
        architecture.preprocessing.channel_order if architecture.preprocessing else "RGB",
    )
    batch_size = min(run.training.batch_size, len(images.files))
    for epoch in range(first, run.training.epochs):
        with _divergence_named(run, epoch):
            loss = _train(run, training, images, epoch, batch_size)
            # The last step came after the last loss, so that its result has not been checked yet.
            if bad := non_finite(pupil.module):
                raise DivergedError(f"which left weights that are not numbers: {bad}")
        checkpoint = pupil.checkpoint(
            architecture,
            teacher,
            {
                "epochs": epoch + 1,
                "batch_size": batch_size,
                "learning_rate": run.training.learning_rate,
                "images": len(images.files),
                "seed": run.seed,
            },
        )
        kept = {"epochs": epoch + 1, "optimizer": training.state(), "run": _fingerprint(run)}
        with write_errors():
            write_calibration_list(run.output, trained)
        _save(run.output, checkpoint.content() | {"resume": kept | pupil.kept()})
        top1 = labelled.top1(pupil.module, device)
        report(f"Epoch {epoch + 1} of {run.training.epochs}: loss {loss:.4f}, top-1 {top1}")
    return run.output


def _train(
    run: FineTuningRun, training: Distillation, images: TrainingImages, epoch: int, batch_size: int
) -> float:
    """Train one epoch and return its loss. Raises DivergedError."""
    batch_count = images.batch_count(batch_size)
    with training_progress(epoch, batch_count) as progress:
        return training.run_epoch(
            epoch,
            images.batches(epoch, batch_size, run.workers),
            batch_count=batch_count,
            seed=run.seed,
            progress=progress,
        )


@contextmanager
def _divergence_named(run: FineTuningRun, epoch: int) -> Iterator[None]:
    """Stop a training that has diverged; further epochs would only train on NaN."""
    try:
        yield
    except DivergedError as error:
        kept = f"{run.output} keeps epoch {epoch}" if epoch else "no checkpoint was written"
        raise RunError(
            f"The training diverged in epoch {epoch + 1}, {error}. Lower --learning-rate (now "
            f"{run.training.learning_rate:g}); {kept}."
        ) from error


def _check_output(run: FineTuningRun) -> None:
    if run.resume and not run.output.exists():
        raise OutputError(f"There is no checkpoint {run.output} to resume from.")
    if run.output.exists() and not run.resume and not run.overwrite:
        raise OutputError(f"{run.output} exists. Give --resume, --overwrite or another --output.")
    if run.output.is_dir():
        raise OutputError(f"{run.output} is a folder: name a file in it with --output.")
    refuse_unwritable(run.output.parent)


def _device(run: FineTuningRun) -> str:
    """Return the device to train on.

    Raises UsageError for one that torch does not know or cannot compute on here.
    """
    if run.device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.ones(1, device=run.device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        raise UsageError(
            f"torch cannot compute on --device {run.device}; on this machine it finds "
            f"{', '.join(there)}."
        ) from error
    return run.device


def _labelled(
    run: FineTuningRun,
    architecture: Architecture,
    files: ImageSelection,
    trained: Sequence[CalibrationImage],
) -> Labelled:
    if run.validation_path is not None:
        selection = select_labelled(run.validation_path, run.seed)
        judged = [selection.folder / name for name in selection.names]
        refuse_calibration_images(trained, judged, use="training")
    elif not files.is_labelled:
        return Labelled(None)
    else:
        selection = files.drawn(min(len(files.names), REPORTED_AT_MOST))
    images = load_images(selection, architecture.dataset, run.cache_dir, architecture.preprocessing)
    return Labelled(LabelledBatches(images, selection.labels))


def _listed(files: ImageSelection) -> tuple[CalibrationImage, ...]:
    """What identifies the training images wherever they are evaluated; nothing of a large set."""
    if len(files.names) > LISTED_AT_MOST:
        return ()
    return describe_images(files.folder, files.names)


def _begin(
    run: FineTuningRun, architecture: Architecture, teacher: LoadedModel, files: ImageSelection
) -> Pupil:
    selection = files.drawn(min(len(files.names), CALIBRATION_IMAGES))
    use = "Batch-norm statistics" if run.pruning else "INT8 ranges"
    tell(f"{use} from {selection}.")
    calibration = calibration_images(selection, architecture, run.cache_dir)
    if run.pruning is not None:
        return PrunedPupil.begin(teacher, architecture, run.pruning, run.seed, calibration)
    assert run.quantization is not None
    return QuantizedPupil.begin(teacher, architecture, run.quantization, calibration)


def _fingerprint(run: FineTuningRun) -> dict[str, Any]:
    """Return the settings that a resumed run must repeat to give the same weights."""
    return {
        "model": run.model,
        "weights": run.weights,
        "seed": run.seed,
        "train-path": str(run.train_path),
        **(dataclasses.asdict(run.pruning) if run.pruning else {}),
        **(dataclasses.asdict(run.quantization) if run.quantization else {}),
        **dataclasses.asdict(run.training),
    }


def _save(output: Path, content: dict[str, Any]) -> None:
    """Replace the checkpoint as a whole. Raises OutputError."""
    with staged(output.parent) as folder, write_errors():
        torch.save(content, folder / output.name)
