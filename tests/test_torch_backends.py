"""PyTorch, eager and compiled: a tiny exported program, and the sample's weights."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from backend import Backend, BackendInfo
from backend_torch import InductorBackend, TorchBackend
from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.models.files.description import description_path
from mlperf_benchmark.models.optimize.config import QuantizationConfig
from mlperf_benchmark.models.prepare.preparer import prepare_model
from mlperf_benchmark.models.prepare.recipe import Recipe
from mlperf_benchmark.models.prepare.sample import Sample
from tests.conftest import Runner
from tests.test_backends import answers, best, colours, configuration
from tests.test_openvino_runs import COUNT, palette, solid
from tests.test_openvino_runs import answers as own_answers
from tests.test_scenarios import official_predictions, openvino_answers
from tests.tiny_models import WHITE, Tiny


class TinyModule(nn.Module):
    """The tiny classifier as torch code, in NCHW."""

    def __init__(self, tiny: Tiny) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.from_numpy(tiny.weights.copy()))
        self.nan_on_white = tiny.nan_on_white

    def forward(self, images: Tensor) -> Tensor:
        scores = images.mean(dim=(2, 3)) @ self.weights
        if not self.nan_on_white:
            return scores
        zero = 1 - (images.amax() > WHITE).float()
        return scores * (zero / zero)


def export(tiny: Tiny, folder: Path) -> Path:
    """Write tiny.pt2, whose batch is fixed or not, as that of `tiny`."""
    size = (2 if tiny.batch == -1 else tiny.batch, tiny.channels, tiny.size, tiny.size)
    shapes = ({0: torch.export.Dim("batch", min=1)},) if tiny.batch == -1 else None
    module = TinyModule(tiny).eval()
    program = torch.export.export(module, (torch.zeros(size),), dynamic_shapes=shapes)
    torch.export.save(program, folder / "tiny.pt2")
    return folder / "tiny.pt2"


def loaded(kind: type[Backend], model: Path, batch: int = 1) -> tuple[Backend, BackendInfo]:
    backend = kind(configuration(model, max_batch_size=batch))
    return backend, backend.load()


@pytest.mark.parametrize(
    ("kind", "batch"), [(TorchBackend, -1), (TorchBackend, 4), (InductorBackend, -1)]
)
def test_batches_of_any_size(tmp_path: Path, kind: type[Backend], batch: int) -> None:
    tiny = Tiny(batch=batch)
    backend, info = loaded(kind, export(tiny, tmp_path), batch=4)
    images = colours(4)
    expected = answers(tiny, images)
    for count in (4, 1, 3):
        assert best(backend, images[:count]) == expected[:count]
    assert (info.classes, info.max_batch_size, info.executed_precision) == (1000, 4, "f32")
    assert (info.requests, info.streams, info.version) == (1, 1, torch.__version__)
    assert info.batch_is_fixed == (batch == 4)
    # Inductor has compiled for full batches only.
    pads = kind is InductorBackend or batch == 4
    assert [backend.padding(count) for count in (1, 4)] == [3 if pads else 0, 0]


@pytest.mark.parametrize("scenario", ["Server", "Offline"])
def test_batches_of_a_run_give_every_answer(
    benchmark: Runner, tmp_path: Path, scenario: str
) -> None:
    tiny, colours_of = Tiny(batch=-1), palette()
    images = solid(tmp_path / "images", colours_of, own_answers(tiny, colours_of))
    done = benchmark(
        *("--profile", "pytorch-torch", "--dataset", "imagenet", "--model", export(tiny, tmp_path)),
        *("--dataset-path", images, "--accuracy", "--scenario", scenario, "--max-batchsize", 4),
    )
    assert done.status == 0, done.stderr
    assert done.result["accuracy"] == {"top1": 100.0, "good": COUNT, "total": COUNT}


def test_nan_scores_end_the_run(benchmark: Runner, tmp_path: Path) -> None:
    images = solid(tmp_path / "images", palette(white_last=True), [0] * COUNT)
    model = export(Tiny(batch=-1, nan_on_white=True), tmp_path)
    done = benchmark(
        *("--profile", "pytorch-torch", "--dataset", "imagenet", "--model", model),
        *("--dataset-path", images, "--scenario", "Offline", "--queries", 50),
    )
    assert done.status == 1
    assert "NaN" in done.error
    assert done.left_nothing


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    module = TinyModule(Tiny()).eval()
    module.weights.data[0, 0] = torch.nan
    program = torch.export.export(module, (torch.zeros(1, 3, 224, 224),))
    torch.export.save(program, tmp_path / "nan.pt2")
    assert "weights (1 of 3000 values NaN)" in refusal(tmp_path / "nan.pt2")


def refusal(model: Path, batch: int = 1) -> str:
    with pytest.raises(ModelError) as caught:
        loaded(TorchBackend, model, batch)
    return str(caught.value)


def test_models_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    assert "none.pt2" in refusal(tmp_path / "none.pt2")
    (tmp_path / "model.onnx").touch()
    assert ".pt, .pth, .pt2" in refusal(tmp_path / "model.onnx")
    for name in ("broken.pt2", "broken.pt"):
        (tmp_path / name).write_bytes(b"nonsense")
        assert name in refusal(tmp_path / name)
    torch.save({"weight": torch.zeros(1)}, tmp_path / "state.pt")
    assert "prepare.py --backend torch" in refusal(tmp_path / "state.pt")
    for tiny, reason in (
        (Tiny(classes=999), "1000 (or 1001) classes"),
        (Tiny(size=64), "224×224×3"),
        (Tiny(channels=1), "RGB images of 3 channels"),
    ):
        assert reason in refusal(export(tiny, tmp_path))
    assert "--max-batchsize can be at most 2" in refusal(export(Tiny(batch=2), tmp_path), batch=4)


def test_a_checkpoint_runs_nothing_that_is_in_it(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"state_dict": Trap()}, tmp_path / "trap.pt")
    assert "holds more than tensors" in refusal(tmp_path / "trap.pt")
    assert not (tmp_path / "executed").exists()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = Recipe("efficientnet-lite0", "package", backend="torch")
    return prepare_model(dataclasses.replace(recipe, output=tmp_path_factory.mktemp("torch")))


@pytest.fixture(scope="module")
def expected(sample: Sample, cache_dir: Path) -> dict[int, int]:
    return dict(enumerate(openvino_answers(sample.model, sample.images, cache_dir)))


@pytest.mark.parametrize("backend", ["torch", "inductor"])
def test_the_samples_images_are_answered_as_by_openvino(
    benchmark: Runner, checkpoint: Path, sample: Sample, backend: str, expected: dict[int, int]
) -> None:
    profile = ("--profile", f"efficientnet-lite0-{backend}", "--model", checkpoint)
    done = benchmark(*profile, "--dataset-path", sample.images, "--accuracy")
    assert done.status == 0, done.stderr
    assert official_predictions(done) == expected
    assert done.result["model"]["description"]["architecture"] == "efficientnet-lite0"


def test_weights_of_another_architecture_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.pt"
    state = torch.load(checkpoint, weights_only=True)
    state.pop("_fc.bias", None)
    torch.save(dict(list(state.items())[:-1]), copy)
    text = description_path(checkpoint).read_text()
    description_path(copy).write_text(text.replace(checkpoint.name, copy.name))
    assert "copy.pt" in refusal(copy)


def test_int8_is_refused(tmp_path: Path) -> None:
    recipe = Recipe("efficientnet-lite0", "package", backend="torch", precision="int8")
    recipe = dataclasses.replace(recipe, quantization=QuantizationConfig(), output=tmp_path)
    with pytest.raises(UsageError, match="int8 does not apply to pt files"):
        prepare_model(recipe)
