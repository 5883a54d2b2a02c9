"""`prepare.py` and `sample.py`, as a user calls them."""

import dataclasses
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
import pytest
import torch
from torch import nn

from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.models.files.description import read_description
from mlperf_benchmark.models.prepare.recipe import Recipe
from tests.models.conftest import Labelled

ROOT = Path(__file__).parents[2]


def command(*arguments: str | Path, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the project; no file may grow beyond `limit` bytes."""

    def restrict() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        preexec_fn=restrict,
    )


def prepare_lite0(output: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command(
        "prepare.py",
        "efficientnet-lite0",
        "--weights=package",
        f"--output={output}",
        *arguments,
    )


def infer(model: Path, images: np.ndarray) -> np.ndarray:
    core = ov.Core()
    compiled = core.compile_model(
        core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    scores: np.ndarray = compiled({"input": images})["output"]
    return scores


def assert_failed(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_ir_equals_torch_on_real_images(
    tmp_path: Path, lite0: nn.Module, validation: Labelled
) -> None:
    result = prepare_lite0(tmp_path)
    assert result.returncode == 0, result.stderr
    model = Path(result.stdout.strip())
    scores = infer(model, validation.images)
    with torch.no_grad():
        expected = lite0(torch.from_numpy(validation.images)).numpy()
    assert np.abs(scores - expected).max() <= 1e-4 * np.abs(expected).max()
    assert 178 <= int((scores.argmax(1) == validation.labels).sum()) <= 180


def test_zip_holds_an_ir_pair_that_equals_torch(tmp_path: Path, resnet50: nn.Module) -> None:
    result = command(
        "prepare.py", "resnet50", "--weights=random", "--format=zip", f"--output={tmp_path}"
    )
    assert result.returncode == 0, result.stderr
    archive = tmp_path / "resnet50_fp32.zip"
    assert {file.name for file in tmp_path.iterdir()} == {archive.name, f"{archive.name}.json"}
    with zipfile.ZipFile(archive) as file:
        assert sorted(file.namelist()) == ["resnet50_fp32.bin", "resnet50_fp32.xml"]
        file.extractall(tmp_path)
    images = np.random.default_rng(0).standard_normal((2, 3, 224, 224), np.float32)
    with torch.no_grad():
        expected = resnet50(torch.from_numpy(images)).numpy()
    scores = infer(tmp_path / "resnet50_fp32.xml", images)
    assert np.abs(scores - expected).max() <= 1e-4 * np.abs(expected).max()
    description = read_description(archive)
    assert description is not None
    assert description.has_random_weights
    assert (description.weights.source, description.weights.seed) == ("random", 0)


def test_onnx_says_where_its_weights_come_from(tmp_path: Path) -> None:
    result = prepare_lite0(tmp_path, "--format=onnx", "--name=lite0")
    assert result.returncode == 0, result.stderr
    model = onnx.load(tmp_path / "lite0.onnx")
    assert model.opset_import[0].version == 13
    assert "Pad" not in {node.op_type for node in model.graph.node}
    assert model.metadata_props[0].value.startswith("package (sha256 579344248a93")


def test_description_names_source_size_and_files(tmp_path: Path) -> None:
    prepare_lite0(tmp_path)
    description = read_description(tmp_path / "efficientnet-lite0_fp32.xml")
    assert description is not None
    assert description.weights.source == "package"
    assert not description.has_random_weights
    assert description.size.gmacs == pytest.approx(0.385, abs=0.001)
    assert set(description.files) == {
        "efficientnet-lite0_fp32.xml",
        "efficientnet-lite0_fp32.bin",
    }
    (tmp_path / "efficientnet-lite0_fp32.bin").write_bytes(b"another")
    with pytest.raises(ModelError, match="is not the file that"):
        read_description(tmp_path / "efficientnet-lite0_fp32.xml")


def test_backend_says_which_formats_it_reads() -> None:
    recipe = Recipe("efficientnet-lite0", "package", backend="onnxruntime")
    assert recipe.file_format == "onnx"
    with pytest.raises(UsageError, match=r"onnxruntime does not read xml files; .* be onnx"):
        _ = dataclasses.replace(recipe, format="xml").file_format


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 99}'])
def test_damaged_description_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.xml.json").write_text(content)
    with pytest.raises(ModelError, match="is not a model description"):
        read_description(tmp_path / "model.xml")


def test_model_of_others_has_no_description(tmp_path: Path) -> None:
    assert read_description(tmp_path / "model.xml") is None


def test_existing_file_is_kept_without_overwrite(tmp_path: Path) -> None:
    first = tmp_path / "efficientnet-lite0_fp32.xml"
    first.write_text("mine")
    assert_failed(prepare_lite0(tmp_path), "exists", "--overwrite")
    assert first.read_text() == "mine"
    assert prepare_lite0(tmp_path, "--overwrite").returncode == 0
    assert first.read_text() != "mine"


def test_same_input_gives_the_same_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        assert prepare_lite0(tmp_path / folder, "--format=zip").returncode == 0
    name = "efficientnet-lite0_fp32.zip"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("file_format", ["xml", "zip", "onnx"])
def test_full_disk_leaves_nothing(tmp_path: Path, file_format: str) -> None:
    result = command(
        "prepare.py",
        "efficientnet-lite0",
        "--weights=package",
        f"--format={file_format}",
        f"--output={tmp_path / 'out'}",
        limit=1_000_000,
    )
    assert_failed(result, "Cannot write to", "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_output_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_failed(prepare_lite0(tmp_path / "file"), "Cannot write to", "file")


def test_misspelt_names_are_answered_with_the_nearest(tmp_path: Path) -> None:
    assert_failed(
        command("prepare.py", "resnet5", "--weights=random", f"--output={tmp_path}"),
        'Did you mean "resnet50"',
    )
    assert_failed(prepare_lite0(tmp_path, "--backend=openvno"), 'Did you mean "openvino"')
    assert_failed(prepare_lite0(tmp_path, "--format=xlm"), "xml, zip, onnx")
    assert_failed(prepare_lite0(tmp_path, "--precision=fp23"), 'Did you mean "fp32"')
    assert list(tmp_path.iterdir()) == []


def test_sample_is_made_once_and_mended(tmp_path: Path) -> None:
    def make(*options: str) -> subprocess.CompletedProcess[str]:
        return command(*options, "sample.py", f"--output={tmp_path}")

    first = make()
    assert first.returncode == 0, first.stderr
    model, images = map(Path, first.stdout.split())
    rows = [line.split() for line in (images / "val_map.txt").read_text().splitlines()]
    assert len(rows) == 20
    assert all((images / name).is_file() for name, _ in rows)

    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    second = make("-X", "importtime")
    assert second.stdout == first.stdout
    assert "torch" not in {line.rpartition("|")[2].strip() for line in second.stderr.splitlines()}
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before

    model.with_suffix(".bin").write_bytes(b"damaged")
    (images / rows[0][0]).unlink()
    assert make().returncode == 0
    assert read_description(model) is not None
    assert (images / rows[0][0]).is_file()


def test_sample_labels_are_the_models_classes(tmp_path: Path) -> None:
    from tests.models.conftest import preprocess

    model, images = map(Path, command("sample.py", f"--output={tmp_path}").stdout.split())
    rows = [line.split() for line in (images / "val_map.txt").read_text().splitlines()]
    scores = infer(model, np.stack([preprocess(images / name) for name, _ in rows]))
    good = sum(
        int(best) == int(label) for best, (_, label) in zip(scores.argmax(1), rows, strict=True)
    )
    assert good == 18


def test_sample_without_the_image_package_says_what_to_install(tmp_path: Path) -> None:
    hide = "import sys, runpy; sys.modules['foolbox'] = None; sys.argv[0] = 'sample.py';"
    run = "runpy.run_path('sample.py', run_name='__main__')"
    result = command("-c", hide + run, f"--output={tmp_path}")
    assert "requirements-no-deps.txt has it" in result.stderr
