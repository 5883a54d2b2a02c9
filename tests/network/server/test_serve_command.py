"""serve.py refuses what cannot be served, in one line, and leaves nothing half-written."""

import json
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.files import files_sha256
from mlperf_benchmark.models.files.model_files import model_files
from mlperf_benchmark.models.prepare.sample import Sample
from mlperf_benchmark.network.served_model import ServedModel
from mlperf_benchmark.network.server.node.classifier import Classifier
from mlperf_benchmark.network.server.options import parse
from tests.command import TIMEOUT, command, environment
from tests.network.server.commands import run_serve
from tests.network.server.nodes import SERVE
from tests.tiny_models import Tiny
from tests.tiny_onnx import save_onnx

ENGINES = ("triton", "ovms")


@pytest.mark.parametrize("engine", ENGINES)
def test_missing_model(engine: str, tmp_path: Path) -> None:
    done = run_serve(engine, tmp_path / "none.xml", output=tmp_path / "models")
    assert (done.status, done.error) == (2, f"There is no model file {tmp_path / 'none.xml'}.")
    assert done.left_nothing


@pytest.mark.parametrize("engine", ENGINES)
def test_unknown_data_set(engine: str, sample: Sample, tmp_path: Path) -> None:
    done = run_serve(engine, sample.model, "--dataset", "imagnet", output=tmp_path / "models")
    assert done.status == 2
    assert 'Did you mean "imagenet"?' in done.error
    assert done.left_nothing


def test_a_misspelt_option_of_one_engine_gets_the_nearest(tmp_path: Path) -> None:
    done = run_serve("triton", tmp_path / "none.xml", "--dataste", "x", output=tmp_path / "models")
    assert done.status == 2
    assert "--dataste x. Did you mean --dataset?" in done.error


def test_what_is_assumed_of_a_model_without_a_description_is_told(tmp_path: Path) -> None:
    done = run_serve("triton", Tiny(batch=-1).save(tmp_path), output=tmp_path / "models")
    assert done.status == 0
    assert done.stderr.startswith("Note: The preprocessing is assumed where it was not given")


@pytest.mark.parametrize("engine", ENGINES)
def test_existing_model_is_kept(engine: str, sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "efficientnet-lite0"
    folder.mkdir(parents=True)
    (folder / "mine").touch()
    done = run_serve(engine, sample.model, output=tmp_path / "models")
    assert done.status == 2
    assert f"{folder} exists" in done.error
    assert [path.name for path in (tmp_path / "models").rglob("*")] == [folder.name, "mine"]


@pytest.mark.parametrize("engine", ENGINES)
def test_folder_that_cannot_be_written(engine: str, sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_serve(engine, sample.model, output=tmp_path / "file" / "models")
    assert done.status == 2
    assert "a part of the path is a file" in done.error


@pytest.mark.parametrize("engine", ENGINES)
def test_full_disk(engine: str, sample: Sample, tmp_path: Path) -> None:
    output = tmp_path / "models"
    done = subprocess.run(
        command((engine, sample.model, "--output", output), SERVE),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"Error: Cannot write to {output}")
    assert list(output.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--name", "../elsewhere"), "not a model name"),
        (("--dataset", "synthetic", "--payload", "jpeg"), "--payload jpeg does not apply"),
        (("--max-batchsize", "0"), '"0" is not a whole number above 0'),
        (("--queue-delay-us", "-1"), '"-1" is not a whole number'),
    ],
)
def test_options_that_make_no_sense(
    sample: Sample, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    done = run_serve("triton", sample.model, *arguments, output=tmp_path / "models")
    assert done.status == 2
    assert reason in done.error
    assert done.left_nothing


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--address", "127.0.0.1:8001"), '"127.0.0.1:8001" is not an address to listen on'),
        (("--address", ""), '"" is not an address to listen on'),
        (("--grpc-port", "70000"), '"70000" is too large: 65535 at most'),
    ],
)
def test_places_that_no_node_can_listen_on(
    tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse(["start", str(tmp_path), "--id", "node1", *arguments])
    assert reason in str(caught.value)


def test_model_of_a_fixed_batch_takes_no_larger_one(tmp_path: Path) -> None:
    model = Tiny(batch=1).save(tmp_path)
    done = run_serve("triton", model, "--dataset", "imagenet", output=tmp_path / "models")
    assert done.status == 2
    assert "--max-batchsize can be at most 1" in done.error


def test_damaged_configuration_is_not_overwritten(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    done = run_serve("ovms", sample.model, output=tmp_path)
    assert done.status == 2
    assert "config.json is not a configuration" in done.error
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_node_refuses_another_model_than_was_packed(
    pixels_repository: Path, tmp_path: Path
) -> None:
    version = pixels_repository / "efficientnet-lite0" / "1"
    for file in version.glob("efficientnet*"):
        shutil.copy(file, tmp_path)
    served = _served(pixels_repository)
    (tmp_path / next(iter(served.files))).write_text("<xml/>")
    with pytest.raises(ModelError, match="is not the file that was packed"):
        Classifier(served, tmp_path)


def test_weights_beside_an_onnx_file_go_to_the_node(tmp_path: Path) -> None:
    source, other = tmp_path / "source", tmp_path / "other"
    for seed, folder in enumerate((source, other)):
        (folder / "weights").mkdir(parents=True)
        save_onnx(Tiny(batch=-1, seed=seed), folder, external="weights/tiny.bin")
    options = ("--dataset", "imagenet_pytorch", "--name", "tiny", "--max-batchsize", 2)
    done = run_serve("triton", source / "tiny.onnx", *options, output=tmp_path / "models")
    assert done.status == 0, done.stderr
    served = _served(tmp_path / "models", "tiny")
    assert list(served.files) == ["tiny.onnx", "weights/tiny.bin"]
    assert served.model["sha256"] == files_sha256(model_files(source / "tiny.onnx"))
    folder = tmp_path / "models" / "tiny" / "1"
    Classifier(served, folder).close()
    shutil.copy(other / "weights" / "tiny.bin", folder / "weights")
    with pytest.raises(ModelError, match="is not the file that was packed"):
        Classifier(served, folder)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_outside_the_models_folder_are_not_copied(engine: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    model = save_onnx(Tiny(batch=-1), tmp_path / "model", external="tiny.bin")
    (tmp_path / "model" / "tiny.bin").rename(tmp_path / "tiny.bin")
    (tmp_path / "model" / "tiny.bin").symlink_to(tmp_path / "tiny.bin")
    options = ("--dataset", "imagenet_pytorch", "--name", "tiny")
    done = run_serve(engine, model, *options, output=tmp_path / "models")
    assert done.status == 2
    assert "leads out of its folder" in done.error
    assert done.left_nothing


def _served(repository: Path, name: str = "efficientnet-lite0") -> ServedModel:
    text = (repository / name / "config.pbtxt").read_text()
    quoted = text.partition('string_value: "')[2].rpartition('" } }')[0]
    return ServedModel.from_json(quoted.replace('\\"', '"'))


def test_two_that_write_to_one_repository_at_once_lose_no_model(
    sample: Sample, tmp_path: Path
) -> None:
    output = tmp_path / "models"
    names = ("one", "two", "three")
    arguments = ("ovms", sample.model, "--output", output, "--name")
    processes = [
        subprocess.Popen(command((*arguments, name), SERVE), env=environment()) for name in names
    ]
    assert [process.wait(TIMEOUT) for process in processes] == [0, 0, 0]
    content = json.loads((output / "config.json").read_text())
    listed = [entry["config"]["name"] for entry in content["model_config_list"]]
    assert sorted(listed) == sorted(names)
    assert sorted(path.name for path in output.iterdir()) == sorted((*names, "config.json"))


@pytest.mark.parametrize("engine", ENGINES)
def test_two_that_write_the_same_model_at_once_make_it_once(
    engine: str, sample: Sample, tmp_path: Path
) -> None:
    output = tmp_path / "models"
    words = command((engine, sample.model, "--output", output), SERVE)
    processes = [
        subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = sorted((one.communicate(timeout=TIMEOUT)[1], one.returncode) for one in processes)
    assert [status for _, status in ended] == [0, 2]
    assert ended[1][0].startswith(f"Error: {output / 'efficientnet-lite0'} exists. Remove it")
    assert not (output / "efficientnet-lite0" / "efficientnet-lite0").exists()
