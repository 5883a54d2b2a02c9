"""Figures of other models, images or settings are never shown as those of the present ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mlperf_benchmark.compare.record import Comparison
from mlperf_benchmark.images.transforms import PYTORCH
from tests.command import Run
from tests.compare.command import comparison_of, run_compare
from tests.network.nodes import endpoints, started
from tests.tiny_models import Tiny
from tests.tiny_onnx import save_onnx

COUNT = 4
ONE = Tiny(batch=-1)
PROFILE = ("--profile", "pytorch-openvino", "--queries", 64, "--rounds", 1)


class Data:
    """Images of one colour each, and labels that the first model gives them."""

    def __init__(self, folder: Path) -> None:
        self.images = folder / "images"
        self.cache = folder / "cache"
        self.images.mkdir()
        colours = self.write()
        labels = ONE.answers(colours, PYTORCH.image.mean, PYTORCH.image.std)
        lines = "".join(f"{place}.png {label}\n" for place, label in enumerate(labels))
        (self.images / "val_map.txt").write_text(lines)

    @property
    def options(self) -> tuple[object, ...]:
        return "--dataset-path", self.images, "--cache-dir", self.cache

    def write(self, spoilt: bool = False) -> NDArray[np.uint8]:
        """Make the files; returns their pixels, all the opposite of what they should be if so."""
        colours = np.random.default_rng(1).integers(0, 256, (COUNT, 1, 1, 3), np.uint8)
        pixels = np.broadcast_to(255 - colours if spoilt else colours, (COUNT, 60, 60, 3))
        for place, image in enumerate(pixels):
            Image.fromarray(image).save(self.images / f"{place}.png")
        return pixels


def good(comparison: Comparison) -> list[int | None]:
    return [row.accuracy.good if row.accuracy else None for row in comparison.rows]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ONE.save(tmp_path_factory.mktemp("model"))


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path)


def compared(data: Data, model: Path, output: Path) -> Run:
    options = (*data.options, "--model", model, "--threads", 1, 2)
    return run_compare(*PROFILE, *options, output=output)


def test_accuracy_of_broken_images_is_not_that_of_repaired_ones(
    data: Data, model: Path, tmp_path: Path
) -> None:
    data.write(spoilt=True)
    before = compared(data, model, tmp_path / "out")
    assert before.status == 0, before.stderr
    assert good(comparison_of(before))[0] == 0
    data.write()
    refused = compared(data, model, tmp_path / "out")
    assert refused.status == 2
    assert "images or their labels have changed" in refused.error
    after = compared(data, model, tmp_path / "after")
    assert good(comparison_of(after))[0] == COUNT


def test_a_cache_that_cannot_be_written_costs_no_rounds(
    data: Data, model: Path, tmp_path: Path
) -> None:
    data.cache.mkdir()
    (data.cache / "accuracy").touch()
    run = compared(data, model, tmp_path / "out")
    assert run.status == 0, run.stderr
    assert good(comparison_of(run))[0] == COUNT
    assert run.stdout.count("Accuracy is not kept for the next time. Cannot write to") == 1


def test_weights_beside_an_onnx_file_and_a_user_conf_decide(tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    for seed, folder in enumerate((first, other)):
        folder.mkdir()
        save_onnx(Tiny(batch=-1, seed=seed), folder, external="weights.bin")
    conf = tmp_path / "user.conf"
    conf.write_text("*.SingleStream.target_latency = 1\n")
    options = ("--dataset", "synthetic", "--count", 16, "--user-conf", conf, "--threads", 1, 2)
    models = ("--model", first / "tiny.onnx")

    def again() -> Run:
        return run_compare(*PROFILE, *options, *models, output=tmp_path / "out")

    assert again().status == 0
    shutil.copy(first / "weights.bin", tmp_path / "weights.bin")
    shutil.copy(other / "weights.bin", first / "weights.bin")
    changed = again()
    assert (changed.status, "a model file has changed" in changed.error) == (2, True)
    shutil.copy(tmp_path / "weights.bin", first / "weights.bin")
    conf.write_text("*.SingleStream.target_latency = 2\n")
    changed = again()
    assert (changed.status, "a user.conf has changed" in changed.error) == (2, True)


def test_a_model_that_changes_between_rounds_fails(null_matrix: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert run_compare(null_matrix, "--rounds", 1, output=output).status == 1
    (result,) = output.glob("rounds/0001/02-*/results.json")
    content = json.loads(result.read_text(encoding="utf-8"))
    model = {"path": "m", "sha256": "0", "bytes": 0, "description": None}
    result.write_text(json.dumps(content | {"model": model}), encoding="utf-8")
    run = run_compare(null_matrix, "--rounds", 2, output=output)
    assert "Failed: second, SingleStream: the model has changed since round 1" in run.stdout
    first, second, *_ = comparison_of(run).rows
    assert (first.failure is None, second.failure is None) == (True, False)


@pytest.mark.parametrize("told", [False, True])
def test_nodes_that_do_not_tell_their_model_are_measured_again(
    told: bool, data: Data, tmp_path: Path
) -> None:
    model = {"path": "m", "sha256": "ab", "bytes": 1, "description": None}
    image = {"height": PYTORCH.image.height, "width": PYTORCH.image.width}
    served = {
        **{"name": "resnet50", "payload": "pixels", "model": model, "dataset": PYTORCH.name},
        **{"image": image | {"mean": PYTORCH.image.mean, "std": PYTORCH.image.std}},
        **{"classes": 1000, "label_offset": 0, "backend": "openvino", "precision": "f32"},
        **{"max_batch_size": 8, "instances": 1, "threads": None, "files": {}, "schema": 1},
    }
    matrix = tmp_path / "matrix.toml"
    with started(tmp_path, *(("--served-model", json.dumps(served)) if told else ())) as node:
        flag, endpoint = endpoints([node])
        matrix.write_text(
            f'rounds = 1\n[run]\nprofile = "pytorch-kserve"\n{flag[2:]} = "{endpoint}"\n'
            f'dataset_path = "{data.images}"\ncache_dir = "{data.cache}"\nqueries = 64\n'
            '[axes]\nscenario = ["Offline"]\n'
            '[[variant]]\nname = "a"\nin_flight = 1\n[[variant]]\nname = "b"\nin_flight = 2\n'
        )
        runs = [run_compare(matrix, output=tmp_path / "out") for _ in range(2)]
    assert all("Accuracy of a" in run.stdout for run in runs) != told
    assert (data.cache / "accuracy").exists() == told
    for run in runs:
        assert all(row.accuracy is not None for row in comparison_of(run).rows), run.stdout
