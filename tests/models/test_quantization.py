"""INT8 files of a real model on real images, and what `prepare.py` refuses."""

import shutil
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino as ov
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlperf_benchmark.core.errors import DatasetError, ModelError, UsageError
from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.files.calibration_list import describe_images, write_calibration_list
from mlperf_benchmark.models.files.description import read_description
from mlperf_benchmark.models.files.openvino_ir import OpenVINOIr
from mlperf_benchmark.models.optimize.accuracy_control import Labelled as Control
from mlperf_benchmark.models.optimize.accuracy_control import quantize_within_drop
from mlperf_benchmark.models.optimize.batch_norm import reestimate_batch_norm
from mlperf_benchmark.models.optimize.config import PruningConfig, QuantizationConfig
from mlperf_benchmark.models.optimize.quantization import quantize
from mlperf_benchmark.models.optimize.quantizers.quantizer import Source, make_quantizer
from mlperf_benchmark.models.prepare.images import load_images, select_images
from mlperf_benchmark.models.prepare.model_input import Batches, ModelInput
from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.models.prepare.preparer import prepare_model
from mlperf_benchmark.models.prepare.recipe import Recipe
from mlperf_benchmark.models.prepare.sample import Sample
from mlperf_benchmark.openvino_model.overflow import can_overflow
from tests.conftest import Runner
from tests.models.conftest import Labelled

MODEL = ("efficientnet-lite0", "package")


def scores(model: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled(batch)[0] for batch in np.split(images, len(images) // 20)])


def sample_input(sample: Sample, cache_dir: Path) -> NDArray[np.float32]:
    selection = select_images(sample.images, None, 0)
    return np.stack([*load_images(selection, "imagenet_efficientnet_lite", cache_dir)])


def right(answers: NDArray[np.float32], validation: Labelled) -> int:
    return int((answers.argmax(1) == validation.labels).sum())


@pytest.fixture(scope="session")
def fp32_answers(sample: Sample, validation: Labelled) -> NDArray[np.float32]:
    return scores(sample.model, validation.images)


def test_int8_keeps_the_accuracy(
    real_images: Path,
    validation: Labelled,
    fp32_answers: NDArray[np.float32],
    cache_dir: Path,
    tmp_path: Path,
) -> None:
    model = prepare_model(
        Recipe(
            *MODEL,
            precision="int8",
            quantization=QuantizationConfig(),
            calibration_path=real_images / "cal",
            evaluation_path=real_images / "val",
            output=tmp_path,
            cache_dir=cache_dir,
        )
    )
    answers = scores(model, validation.images)
    assert abs(right(answers, validation) - right(fp32_answers, validation)) <= 3
    assert (answers.argmax(1) == fp32_answers.argmax(1)).mean() >= 0.95
    weights = model.with_suffix(".bin").stat().st_size
    assert weights < 6_000_000

    description = read_description(model)
    assert description is not None
    assert description.quantization is not None
    assert description.quantization.preset == "mixed"
    assert description.quantization.calibration is not None
    assert description.quantization.calibration.count == 100


def test_pruned_model_keeps_most_of_the_accuracy(
    real_images: Path, validation: Labelled, cache_dir: Path, tmp_path: Path
) -> None:
    model = prepare_model(
        Recipe(
            *MODEL,
            pruning=PruningConfig(0.05),
            calibration_path=real_images / "cal",
            output=tmp_path,
            cache_dir=cache_dir,
        )
    )
    assert right(scores(model, validation.images), validation) >= 160
    description = read_description(model)
    assert description is not None
    assert description.size.gmacs == pytest.approx(0.95 * description.unpruned_size.gmacs, rel=1e-3)


def test_onnx_int8_is_qdq_and_agrees_with_fp32(
    sample: Sample, cache_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Calibrated on the images that it answers: agreement is tested here, not accuracy."""
    recipe = Recipe(
        *MODEL,
        format="onnx",
        precision="int8",
        quantization=QuantizationConfig(range_estimator="percentile", preset="performance"),
        calibration_path=sample.images,
        output=tmp_path,
        cache_dir=cache_dir,
    )
    model = prepare_model(recipe)
    assert "Warning: 20 different calibration images may not show" in capsys.readouterr().err
    session = onnxruntime.InferenceSession(model)
    images = sample_input(sample, cache_dir)
    answers = session.run(["output"], {"input": images})[0]
    expected = scores(sample.model, images)
    assert (answers.argmax(1) == expected.argmax(1)).sum() >= 19
    names = {node.op_type for node in onnx.load(model).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= names


@pytest.fixture
def ten_images(sample: Sample, tmp_path: Path) -> Path:
    """Half of the sample to calibrate with."""
    folder = tmp_path / "ten"
    folder.mkdir()
    for image in sorted(sample.images.glob("*.jpg"))[:10]:
        shutil.copyfile(image, folder / image.name)
    return folder


@pytest.fixture
def ten_labelled(sample: Sample, tmp_path: Path) -> Path:
    """The other half, labelled."""
    folder = tmp_path / "labelled"
    folder.mkdir()
    images = sorted(sample.images.glob("*.jpg"))[10:]
    for image in images:
        shutil.copyfile(image, folder / image.name)
    lines = [f"{image.name} {image.stem.rpartition('_')[2]}\n" for image in images]
    (folder / "val_map.txt").write_text("".join(lines))
    return folder


def test_accuracy_aware_mode_says_what_came_out(
    ten_images: Path, ten_labelled: Path, cache_dir: Path, tmp_path: Path
) -> None:
    recipe = Recipe(
        *MODEL,
        precision="int8",
        quantization=QuantizationConfig(max_drop=0.1, validation_path=ten_labelled),
        calibration_path=ten_images,
        output=tmp_path,
        cache_dir=cache_dir,
    )
    description = read_description(prepare_model(recipe))
    assert description is not None
    assert description.quantization is not None
    control = description.quantization.accuracy_control
    assert control is not None
    assert control.validation.count == 10
    assert control.int8_right >= control.fp32_right - 1
    assert control.fp32_right >= 8


def test_accuracy_is_not_controlled_on_calibration_images(
    sample: Sample, ten_images: Path, cache_dir: Path, tmp_path: Path
) -> None:
    recipe = Recipe(
        *MODEL,
        precision="int8",
        quantization=QuantizationConfig(max_drop=0.1, validation_path=sample.images),
        calibration_path=ten_images,
        output=tmp_path / "out",
        cache_dir=cache_dir,
    )
    with pytest.raises(DatasetError, match="10 of 10 calibration images"):
        prepare_model(recipe)
    unlabelled = QuantizationConfig(max_drop=0.1, validation_path=ten_images)
    with pytest.raises(DatasetError, match="have no labels"):
        prepare_model(replace(recipe, calibration_path=sample.images, quantization=unlabelled))
    assert not (tmp_path / "out").exists()


class Unbalanced(nn.Module):
    """A classifier one channel of which dwarfs the others, so that these vanish in INT8."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.wide = nn.Conv2d(8, 8, 3, padding=1)
        self.narrow = nn.Conv2d(8, 16, 3, padding=1)
        self.classifier = nn.Linear(16, 10)
        with torch.no_grad():
            self.wide.weight[0] *= 2000
            self.wide.bias[0] *= 2000  # type: ignore[index]
            self.narrow.weight[:, 0] /= 2000

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.wide(torch.relu(self.first(x))))
        scores: Tensor = self.classifier(torch.relu(self.narrow(x)).mean((2, 3)))
        return scores


def as_it_is(model: onnx.ModelProto) -> onnx.ModelProto:
    return model


@pytest.mark.parametrize(
    ("quantizer", "convert"),
    [("nncf", OpenVINOIr().convert), ("nncf", as_it_is), ("adaround", as_it_is)],
)
def test_layers_that_lose_most_go_back_to_floating_point(
    quantizer: str, convert: Callable[[onnx.ModelProto], Any]
) -> None:
    module = Unbalanced(seed=2).eval()
    generator = np.random.default_rng(0)
    strength = generator.uniform(0.1, 3, (60, 1, 1, 1)).astype(np.float32)
    images = strength * generator.standard_normal((60, 3, 32, 32)).astype(np.float32)
    with torch.no_grad():
        labels = module(torch.from_numpy(images)).argmax(1).numpy()
    plain = quantize(export_onnx(module, 32), images[:10], QuantizationConfig(), "mixed")
    assert count_right(plain, images, labels) < 57

    chosen = make_quantizer(QuantizationConfig(quantizer=quantizer), "mixed")
    source = Source(module, lambda module: export_onnx(module, 32), convert)
    control = Control(images, labels)
    model, outcome = quantize_within_drop(chosen, source, images[:10], control, max_drop=0.05)
    assert outcome.reverted == ("/narrow/Conv",)
    assert outcome.fp32_right == 60
    assert outcome.int8_right >= 57
    assert count_right(model, images, labels) == outcome.int8_right


def count_right(model: Any, images: NDArray[np.float32], labels: NDArray[np.int64]) -> int:
    graph = model if isinstance(model, ov.Model) else OpenVINOIr().convert(model)
    return int((ov.compile_model(graph, "CPU")(images)[0].argmax(1) == labels).sum())


def test_drop_that_no_layer_in_int8_allows_is_refused() -> None:
    """One layer alone, whose INT8 gets some of the many close answers wrong."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 500, 8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    images = np.random.default_rng(0).standard_normal((100, 3, 16, 16), np.float32)
    with torch.no_grad():
        labels = module(torch.from_numpy(images)).argmax(1).numpy()
    source = Source(module, lambda module: export_onnx(module, 16), OpenVINOIr().convert)
    quantizer = make_quantizer(QuantizationConfig(), "mixed")
    control = Control(images, labels)
    with pytest.raises(ModelError, match=r"within --max-drop 0: with 1 of 1 layers"):
        quantize_within_drop(quantizer, source, images[:10], control, max_drop=0)


@pytest.mark.parametrize("fix", ["all", "none"])
def test_overflow_fix_keeps_weights_to_7_bits(
    ten_images: Path, cache_dir: Path, tmp_path: Path, fix: str
) -> None:
    recipe = Recipe(
        *MODEL,
        precision="int8",
        quantization=QuantizationConfig(overflow_fix=fix),
        calibration_path=ten_images,
        output=tmp_path,
        cache_dir=cache_dir,
    )
    model = prepare_model(recipe)
    graph = ov.Core().read_model(model)
    assert can_overflow(graph, frozenset({"ssse3", "avx2"})) == (fix == "none")
    assert not can_overflow(graph, frozenset({"ssse3", "avx2", "avx512_vnni"}))
    assert not can_overflow(graph, frozenset())
    description = read_description(model)
    assert description is not None
    assert description.quantization is not None
    assert description.quantization.overflow_fix == fix


def test_calibration_keeps_few_images_in_memory() -> None:
    """They are read when they are wanted, however many there are."""
    alive = peak = 0

    def gone(count: int) -> None:
        nonlocal alive
        alive -= count

    def load(indices: Sequence[int]) -> NDArray[np.float32]:
        nonlocal alive, peak
        images = np.stack([np.full((3, 16, 16), index / 400, np.float32) for index in indices])
        alive += len(indices)
        peak = max(peak, alive)
        weakref.finalize(images, gone, len(indices))
        return images

    graph = OpenVINOIr().convert(export_onnx(Unbalanced(0).eval(), 16))
    quantize(graph, ModelInput(400, load), QuantizationConfig(), "mixed")
    assert 0 < peak <= 100
    norm = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    reestimate_batch_norm(norm, Batches(ModelInput(400, load)))
    assert peak <= 150


@pytest.mark.parametrize("name", ["a/b", "/a", "..", ".", ""])
def test_name_that_is_a_path_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--output names the folder"):
        parse(["resnet50", "--weights", "random", "--name", name])


def test_name_with_its_suffix_gets_no_second_one() -> None:
    recipe = parse(["resnet50", "--weights", "random", "--name", "mine.v2.xml"])
    assert recipe.file_stem() == "mine.v2"


def test_calibration_images_are_drawn_by_the_seed(sample: Sample) -> None:
    first = select_images(sample.images, 5, 1)
    assert select_images(sample.images, 5, 1) == first
    assert select_images(sample.images, 5, 2).names != first.names
    assert len(set(first.names)) == 5


def test_overlap_is_found_by_content(sample: Sample, tmp_path: Path) -> None:
    evaluation = tmp_path / "evaluation"
    evaluation.mkdir()
    original = next(sample.images.glob("*.jpg"))
    shutil.copyfile(original, evaluation / "renamed.jpeg")
    with pytest.raises(DatasetError, match=f"1 of 20 calibration images .*{original.name}"):
        select_images(sample.images, None, 0).refuse_overlap(evaluation)


def test_run_refuses_images_that_the_model_was_calibrated_with(
    sample: Sample, benchmark: Runner, tmp_path: Path
) -> None:
    model = tmp_path / "calibrated.xml"
    for suffix in (".xml", ".bin"):
        shutil.copyfile(sample.model.with_suffix(suffix), model.with_suffix(suffix))
    names = [image.name for image in sample.images.glob("imagenet_0*.jpg")]
    write_calibration_list(model, describe_images(sample.images, names))
    run = benchmark(
        *("--profile", "efficientnet-lite0-openvino", "--model", model),
        *("--dataset-path", sample.images, "--accuracy", "--cache-dir", tmp_path / "cache"),
    )
    assert run.status == 2
    assert not (tmp_path / "cache").exists()
    assert "10 of 10 calibration images are evaluation images as well" in run.stderr


def test_folders_that_cannot_calibrate_are_named(tmp_path: Path, sample: Sample) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        select_images(tmp_path / "missing", None, 0)
    with pytest.raises(DatasetError, match="holds no images"):
        select_images(tmp_path, None, 0)
    with pytest.raises(DatasetError, match="500 images were asked for"):
        select_images(sample.images, 500, 0)


def test_int8_without_images_is_refused_unless_weights_are_random(tmp_path: Path) -> None:
    recipe = Recipe(
        *MODEL, precision="int8", quantization=QuantizationConfig(), output=tmp_path / "out"
    )
    with pytest.raises(UsageError, match="--calibration-path"):
        prepare_model(recipe)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "mixed"], "--preset applies to --precision int8 only"),
        (["--full-bias-correction"], "--full-bias-correction applies to --precision int8 only"),
        (["--prune-method", "l2"], "--prune-method applies to --prune F only"),
        (["--prune", "1"], "--prune 1 is out of range"),
        (["--precision", "int8", "--preset", "fast"], 'Unknown preset "fast"'),
        (["--precision", "int8", "--range-estimator", "max"], 'Did you mean "minmax"'),
        (["--precision", "int8", "--max-drop", "0.01"], "belong together"),
        (["--precision", "int9"], 'Did you mean "int8"'),
    ],
)
def test_bad_options_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(["resnet50", "--weights", "random", *arguments])
