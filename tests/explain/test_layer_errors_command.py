"""`explain.py --accuracy`, from model files to the advice, which prepare.py then follows."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from openvino import opset13 as ops
from PIL import Image

from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.explain.command import main
from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES, Architecture
from mlperf_benchmark.models.files.description import read_description
from mlperf_benchmark.models.prepare.images import load_images, select_images
from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.models.prepare.preparer import prepare_model
from tests.explain.nets import Net, images, unbalanced

NAME = "unbalanced"


@pytest.fixture(scope="module", autouse=True)
def architecture() -> None:
    """A model of the product, in this process."""
    if NAME not in ARCHITECTURES.names():
        ARCHITECTURES.register(
            NAME,
            Architecture(
                name=NAME,
                build=lambda: Net(1000, shortcut=False),
                input_size=224,
                dataset="imagenet_pytorch",
                weight_sources={},
                quantization_preset="mixed",
            ),
        )


def write_images(folder: Path, count: int, seed: int) -> Path:
    """Noise, of the size that is not resized."""
    folder.mkdir()
    for number, planes in enumerate(images(count, 256, strongest=1, seed=seed)):
        pixels = np.clip(128 + 58 * planes.transpose(1, 2, 0), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


class Kitchen:
    """Makes variants, and explains them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.calibration = write_images(folder / "calibration", 10, 1)
        self.images = write_images(folder / "images", 12, 2)
        self.weights = folder / "unbalanced.pth"
        torch.save(unbalanced(1000, 224).state_dict(), self.weights)

    def prepare(self, name: str, *options: str) -> Path:
        cache = ("--cache-dir", str(self.folder / "cache"), "--output", str(self.folder / "models"))
        recipe = parse([NAME, "--weights", str(self.weights), "--name", name, *cache, *options])
        return prepare_model(recipe)

    def int8(self, name: str, *options: str) -> Path:
        calibration = ("--calibration-path", str(self.calibration))
        return self.prepare(name, "--precision", "int8", *calibration, *options)

    def explain(self, *arguments: object, output: str = "explained") -> dict[str, Any]:
        words = ["explain.py", *arguments, "--cache-dir", self.folder / "cache"]
        words += ["--output", self.folder / output, "--inferences", "1"]
        self.monkeypatch.setattr("sys.argv", list(map(str, words)))
        assert main() == 0
        found: dict[str, Any] = json.loads((self.folder / output / "explain.json").read_text())
        return found


@pytest.fixture
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kitchen:
    return Kitchen(tmp_path, monkeypatch)


def test_advice_of_the_command_is_what_prepare_takes_and_it_mends(
    kitchen: Kitchen, capsys: pytest.CaptureFixture[str]
) -> None:
    fp32, int8 = kitchen.prepare("fp32"), kitchen.int8("int8")
    images = ("--accuracy", "--dataset-path", kitchen.images)
    (bad,) = kitchen.explain(fp32, int8, *images)["accuracy"]["variants"]
    assert bad["answered"]["total"] == 12
    assert bad["answered"]["good"] is None
    assert bad["note"] == "the images have no labels"
    assert bad["options"] == "--keep-fp32 /third/Conv"
    out = capsys.readouterr().out
    assert "Mend it with prepare.py … --keep-fp32 /third/Conv" in out
    page = (kitchen.folder / "explained" / "explain.html").read_text()
    assert 'aria-label="Error along the net: int8 from' in page
    assert "Mend it with prepare.py" in page
    lines = (kitchen.folder / "explained" / "layer_errors.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in lines[1:]] == [
        "/first/Conv",
        "/second/Conv",
        "/third/Conv",
        "/classifier/Gemm",
    ]

    mended = kitchen.int8("mended", *shlex.split(bad["options"]))
    (good,) = kitchen.explain(fp32, mended, *images, output="again")["accuracy"]["variants"]
    lost = bad["answered"]["total"] - bad["answered"]["same"]
    assert lost >= 4
    assert good["answered"]["total"] - good["answered"]["same"] <= lost / 2
    assert good["kept_fp32"] == ["/third/Conv"]


def test_the_layer_that_it_names_is_the_one_that_max_drop_returns_first(kitchen: Kitchen) -> None:
    """On the same images, labelled with the answers of FP32."""
    fp32, int8 = kitchen.prepare("fp32"), kitchen.int8("int8")
    names = select_images(kitchen.images, None, 0)
    pixels = np.stack([*load_images(names, "imagenet_pytorch", kitchen.folder / "cache")])
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    answers = ov.compile_model(fp32, "CPU", exact)(pixels)[0].argmax(axis=1)
    lines = [f"{name} {answer}\n" for name, answer in zip(names.names, answers, strict=True)]
    (kitchen.images / "val_map.txt").write_text("".join(lines))

    images = ("--accuracy", "--dataset-path", kitchen.images)
    (bad,) = kitchen.explain(fp32, int8, *images)["accuracy"]["variants"]
    assert bad["answered"]["good"] < 12
    limit = ("--max-drop", "0.2", "--validation-path", str(kitchen.images))
    description = read_description(kitchen.int8("limited", *limit))
    assert description is not None
    assert description.quantization is not None
    control = description.quantization.accuracy_control
    assert control is not None
    assert control.reverted == ("/third/Conv",)
    assert control.reverted == tuple(bad["mending"]["alone"][0]["layers"])
    assert control.fp32_right == 12
    assert control.int8_right >= 10


def test_what_cannot_be_explained_is_refused(kitchen: Kitchen) -> None:
    fp32 = kitchen.prepare("fp32")
    images = ("--accuracy", "--dataset-path", kitchen.images)
    with pytest.raises(UsageError, match="name two models"):
        kitchen.explain(fp32, *images)
    other = kitchen.prepare("traced", "--backend", "torch")
    with pytest.raises(ModelError, match=r"traced\.pt.* cannot be inspected"):
        kitchen.explain(fp32, other, *images)
    with pytest.raises(ModelError, match=r"best\.xml answers the best class in place of scores"):
        kitchen.explain(fp32, with_argmax(fp32), *images)
    assert not (kitchen.folder / "explained").exists()


def with_argmax(model: Path) -> Path:
    graph = ov.Core().read_model(model)
    (scores,) = graph.get_results()
    best = ops.topk(scores.input_value(0), np.array(1), 1, "max", "none").output(1)
    path = model.with_name("best.xml")
    ov.save_model(ov.Model([best], graph.get_parameters()), path, compress_to_fp16=False)
    return path
