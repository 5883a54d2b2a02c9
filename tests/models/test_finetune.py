"""`finetune.py`: training that helps, stops and goes on as if it had not stopped."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mlperf_benchmark.core.errors import DatasetError, ModelError, OutputError, RunError, UsageError
from mlperf_benchmark.models.files.description import read_description
from mlperf_benchmark.models.optimize.config import PruningConfig, TrainingConfig
from mlperf_benchmark.models.prepare.fine_tuner import fine_tune
from mlperf_benchmark.models.prepare.finetune_options import FineTuningRun, parse
from mlperf_benchmark.models.prepare.preparer import prepare_model
from mlperf_benchmark.models.prepare.recipe import Recipe
from mlperf_benchmark.models.prepare.sample import Sample
from mlperf_benchmark.models.prepare.training_images import TrainingImages
from tests.command import run_main


def two_epochs(sample: Sample, cache_dir: Path, output: Path) -> FineTuningRun:
    """Of two batches each, on the 20 sample images."""
    return FineTuningRun(
        model="efficientnet-lite0",
        weights="package",
        pruning=PruningConfig(0.05),
        training=TrainingConfig(epochs=2, batch_size=10, learning_rate=1e-4),
        train_path=sample.images,
        output=output,
        cache_dir=cache_dir,
        device="cpu",
    )


@pytest.fixture
def run(sample: Sample, cache_dir: Path, tmp_path: Path) -> FineTuningRun:
    return two_epochs(sample, cache_dir, tmp_path / "pruned.pth")


@dataclass(frozen=True)
class Trained:
    """A run that has ended, and what it reported."""

    run: FineTuningRun
    lines: list[str]


@pytest.fixture(scope="module")
def trained(sample: Sample, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    run = two_epochs(sample, cache_dir, tmp_path_factory.mktemp("trained") / "pruned.pth")
    lines: list[str] = []
    fine_tune(run, lines.append)
    return Trained(run, lines)


def test_images_that_it_trained_on_are_refused_for_accuracy(
    trained: Trained, sample: Sample, cache_dir: Path, tmp_path: Path
) -> None:
    weights = str(trained.run.output)
    model = prepare_model(
        Recipe("efficientnet-lite0", weights=weights, output=tmp_path, cache_dir=cache_dir)
    )
    run = run_main(
        *("--profile", "efficientnet-lite0-openvino", "--model", model, "--accuracy"),
        *("--dataset-path", sample.images, "--cache-dir", cache_dir),
        output=tmp_path / "accuracy",
    )
    assert run.status == 2
    assert "20 of 20 calibration images are evaluation images as well" in run.error


def test_validation_images_may_not_be_trained_on(run: FineTuningRun, sample: Sample) -> None:
    with pytest.raises(DatasetError, match="20 of 20 training images"):
        fine_tune(replace(run, validation_path=sample.images), ignore)
    assert not run.output.exists()


def ignore(_line: str) -> None:
    """No report wanted."""


def weights_of(file: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(file, weights_only=True)["state_dict"]
    return state


def top1(line: str) -> int:
    return int(line.partition("top-1 ")[2].partition("/")[0])


def test_training_helps(trained: Trained) -> None:
    losses = [
        float(line.split("loss ")[1].split(",")[0]) for line in trained.lines if "loss" in line
    ]
    assert len(losses) == 2
    assert losses[-1] < losses[0]
    assert top1(trained.lines[-1]) >= top1(trained.lines[1]), trained.lines


def test_resumed_training_gives_the_same_weights(trained: Trained, tmp_path: Path) -> None:
    stopped = replace(trained.run, output=tmp_path / "stopped.pth")

    def stop(line: str) -> None:
        if line.startswith("Epoch 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(stopped, stop)
    whole, half = weights_of(trained.run.output), weights_of(stopped.output)
    assert any(not torch.equal(tensor, half[name]) for name, tensor in whole.items())
    fine_tune(replace(stopped, resume=True), ignore)
    resumed = weights_of(stopped.output)
    assert [name for name, tensor in whole.items() if not torch.equal(tensor, resumed[name])] == []


def test_checkpoint_becomes_a_model_file_that_tells_its_history(
    trained: Trained, tmp_path: Path
) -> None:
    recipe = Recipe("efficientnet-lite0", str(trained.run.output), output=tmp_path)
    model = prepare_model(recipe)
    assert model.name == "efficientnet-lite0_pruned5_fp32.xml"
    description = read_description(model)
    assert description is not None
    assert description.weights.source == "package"
    assert description.pruning is not None
    assert description.pruning.reached == pytest.approx(0.05, rel=0.02)
    assert description.size.gmacs < description.unpruned_size.gmacs
    assert description.fine_tuning is not None
    assert description.fine_tuning.epochs == 2


def test_checkpoint_is_not_overwritten_unasked(trained: Trained) -> None:
    before = trained.run.output.read_bytes()
    with pytest.raises(OutputError, match="--resume, --overwrite"):
        fine_tune(trained.run, ignore)
    assert trained.run.output.read_bytes() == before


def test_resuming_with_other_options_is_refused(trained: Trained) -> None:
    longer = replace(trained.run.training, epochs=3)
    with pytest.raises(UsageError, match="epochs was 2, now 3"):
        fine_tune(replace(trained.run, resume=True, training=longer), ignore)


def test_pruned_checkpoint_is_not_pruned_again(trained: Trained, tmp_path: Path) -> None:
    recipe = Recipe(
        "efficientnet-lite0",
        str(trained.run.output),
        pruning=PruningConfig(0.1),
        calibration_path=trained.run.train_path,
        cache_dir=trained.run.cache_dir,
        output=tmp_path / "models",
    )
    with pytest.raises(UsageError, match="pruned already"):
        prepare_model(recipe)
    assert not (tmp_path / "models").exists()


def test_training_that_diverges_ends_with_its_last_good_checkpoint(
    run: FineTuningRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = tmp_path / "train"
    train.mkdir()
    for image in sorted(run.train_path.glob("*.jpg"))[:2]:
        shutil.copyfile(image, train / image.name)
    run = replace(run, train_path=train)
    good = TrainingImages.batches

    def spoilt(images: TrainingImages, epoch: int, size: int, workers: int) -> Iterator[Tensor]:
        for batch in good(images, epoch, size, workers):
            yield batch * (float("inf") if epoch else 1)

    monkeypatch.setattr(TrainingImages, "batches", spoilt)
    training = TrainingConfig(epochs=3, batch_size=2, learning_rate=1e-6)
    lines: list[str] = []
    with pytest.raises(
        RunError,
        match=r"diverged in epoch 2, where the loss of batch 1 is nan.*"
        r"Lower --learning-rate \(now 1e-06\); .*pruned\.pth keeps epoch 1\.",
    ):
        fine_tune(replace(run, training=training), lines.append)
    assert lines[-1].startswith("Epoch 1 of 3")
    kept = torch.load(run.output, weights_only=True)
    assert kept["training"]["epochs"] == 1
    assert all(tensor.isfinite().all() for tensor in kept["state_dict"].values())

    kept["state_dict"]["_fc.bias"][0] = float("nan")
    torch.save(kept, run.output)
    with pytest.raises(ModelError, match=r"_fc\.bias \(1 of 1000 values NaN\)"):
        fine_tune(replace(run, training=training, resume=True), ignore)


def test_top1_of_class_folders_is_right(run: FineTuningRun, tmp_path: Path) -> None:
    """As ImageNet's training images are laid out: 1000 folders, whose order tells the class."""
    train = tmp_path / "train"
    for label in range(1000):
        (train / f"n{label:08}").mkdir(parents=True)
    for image in run.train_path.glob("*.jpg"):
        label = int(image.stem.rpartition("_")[2])
        shutil.copyfile(image, train / f"n{label:08}" / image.name)
    lines: list[str] = []
    training = TrainingConfig(epochs=1, batch_size=20, learning_rate=1e-6)
    fine_tune(replace(run, train_path=train, training=training), lines.append)
    assert top1(lines[0]) == 18, lines


def test_top1_of_images_without_labels_is_not_made_up(run: FineTuningRun, tmp_path: Path) -> None:
    train = tmp_path / "train"
    train.mkdir()
    for image in run.train_path.glob("*.jpg"):
        shutil.copyfile(image, train / image.name)
    lines: list[str] = []
    training = TrainingConfig(epochs=1, batch_size=20, learning_rate=1e-6)
    fine_tune(replace(run, train_path=train, training=training), lines.append)
    assert all("top-1 not measured" in line for line in lines), lines
    with pytest.raises(DatasetError, match="have no labels"):
        fine_tune(replace(run, validation_path=train, overwrite=True), ignore)


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "mps", "meta", "cpu:x", ""])
def test_device_that_is_not_there_is_refused(run: FineTuningRun, device: str) -> None:
    with pytest.raises(UsageError, match=f"--device {device}.*it finds cpu"):
        fine_tune(replace(run, device=device), ignore)
    assert not run.output.exists()


def test_folder_in_the_place_of_the_checkpoint_is_named_at_once(run: FineTuningRun) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        fine_tune(replace(run, output=run.output.parent, overwrite=True), ignore)
    (run.output.parent / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        fine_tune(replace(run, output=run.output.parent / "file" / "pruned.pth"), ignore)


def test_nothing_to_resume_is_named(run: FineTuningRun) -> None:
    with pytest.raises(OutputError, match=r"no checkpoint .* to resume from"):
        fine_tune(replace(run, resume=True), ignore)


def test_unreadable_training_image_is_named(run: FineTuningRun, tmp_path: Path) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"broken\.jpg"):
        fine_tune(replace(run, train_path=folder), ignore)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give --prune F"),
        (["--prune", "1.5"], "out of range"),
        (["--prune", "0.5", "--epochs", "0"], '--epochs: "0" is not a whole number'),
        (["--prune", "0.5", "--learning-rate", "fast"], '--learning-rate: "fast" is not a number'),
    ],
)
def test_bad_options_are_refused(arguments: list[str], message: str) -> None:
    given = ["resnet50", "--weights", "random", "--train-path", "x", "--output", "y"]
    with pytest.raises(UsageError, match=message):
        parse([*given, *arguments])
