"""OpenVINO Model Server's layout, run by OpenVINO itself: the server has no package."""

import json
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray

from dataset import DatasetConfig
from imagenet import ImageNetEfficientNetLite
from mlperf_benchmark.core.image_format import Images
from mlperf_benchmark.models.prepare.sample import Sample
from mlperf_benchmark.network.served_model import PARAMETER, ServedModel
from tests.network.server.commands import run_serve
from tests.tiny_models import Tiny

NAME = "efficientnet-lite0"


@pytest.fixture(scope="module")
def repository(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ovms") / "models"
    done = run_serve("ovms", sample.model, "--threads", 1, output=folder)
    assert done.status == 0, done.stderr
    assert done.stdout == f"{folder / NAME}\n"
    return folder


@pytest.fixture(scope="module")
def labelled(sample: Sample, cache_dir: Path) -> tuple[Images, NDArray[np.int64]]:
    dataset = ImageNetEfficientNetLite(DatasetConfig(sample.images, None, cache_dir, None))
    dataset.prepare()
    return dataset.load(range(len(dataset.labels))), dataset.labels


def test_graph_answers_labels(repository: Path, labelled: tuple[Images, NDArray[np.int64]]) -> None:
    images, labels = labelled
    model = ov.Core().read_model(repository / NAME / "1" / "model.xml")
    assert model.input("images").element_type == ov.Type.u8
    assert model.output("labels").element_type == ov.Type.f32
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answers = []
    for start, end in ((0, 1), (1, 8), (8, 16), (16, 20)):
        answer = compiled(images[start:end])["labels"]
        assert answer.shape == (end - start, 1)
        answers += answer[:, 0].tolist()
    assert (np.array(answers) == labels).sum() == 18


def test_graph_of_1001_classes_answers_labels_of_1000(tmp_path: Path) -> None:
    tiny = Tiny(batch=-1, classes=1001)
    model = tiny.save(tmp_path)
    arguments = ("ovms", model, "--dataset", "imagenet")
    assert run_serve(*arguments, output=tmp_path / "models").status == 0
    compiled = ov.Core().compile_model(tmp_path / "models" / "tiny" / "1" / "model.xml", "CPU")
    images = np.random.default_rng(0).integers(0, 256, (5, 224, 224, 3), np.uint8)
    images[1:, :, :, 0] //= 3
    expected = tiny.answers(images, (123.68, 116.78, 103.94), (1, 1, 1)) - 1
    assert compiled(images)["labels"][:, 0].tolist() == expected.tolist()


def test_configuration_names_every_model_of_the_repository(
    repository: Path, sample: Sample
) -> None:
    done = run_serve("ovms", sample.model, "--name", "second", output=repository)
    assert done.status == 0, done.stderr
    models = json.loads((repository / "config.json").read_text())["model_config_list"]
    assert [entry["config"]["name"] for entry in models] == [NAME, "second"]
    for entry in models:
        assert (repository / entry["config"]["base_path"] / "1" / "model.bin").is_file()
    assert models[0]["config"]["plugin_config"] == {
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": "1",
        "INFERENCE_PRECISION_HINT": "f32",
    }


def test_model_says_what_it_is(repository: Path) -> None:
    model = ov.Core().read_model(repository / NAME / "1" / "model.xml")
    about = ServedModel.from_json(model.get_rt_info(["model_info", PARAMETER]).astype(str))
    assert about.name == NAME
    assert about.model["description"]["architecture"] == NAME
