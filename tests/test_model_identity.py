"""A model is all files that the runtime reads: other weights make it another model."""

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.external_data_helper import uses_external_data

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.files import files_sha256
from mlperf_benchmark.models.files.external_data import external_data
from mlperf_benchmark.models.files.model_files import model_files
from mlperf_benchmark.openvino_model.reading import read_model
from tests.conftest import Runner
from tests.tiny_models import Tiny
from tests.tiny_onnx import save_onnx

DATA = "tiny.onnx.data"
SYNTHETIC = ("--profile", "pytorch-openvino", "--dataset", "synthetic", "--queries", 64)


def external(folder: Path, location: str = DATA, seed: int = 0) -> Path:
    (folder / location).parent.mkdir(parents=True, exist_ok=True)
    return save_onnx(Tiny(seed=seed), folder, external=location)


def relocated(model: Path, location: str) -> Path:
    """Let the weights be looked for at `location`."""
    content = onnx.load(model, load_external_data=False)
    for entry in content.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    model.write_bytes(content.SerializeToString())
    return model


def test_the_weights_beside_an_onnx_file_count(benchmark: Runner, tmp_path: Path) -> None:
    first, second = (external(tmp_path / str(seed), seed=seed) for seed in (0, 1))
    assert first.read_bytes() == second.read_bytes()
    run = benchmark(*SYNTHETIC, "--model", first)
    assert run.status == 0, run.stderr
    told = run.result["model"]
    files = [first, first.with_name(DATA)]
    content = b"".join(file.read_bytes() for file in files)
    assert told["sha256"] == hashlib.sha256(content).hexdigest()
    assert told["bytes"] == sum(file.stat().st_size for file in files)
    assert told["sha256"] != files_sha256(model_files(second))


def test_missing_weights_are_one_line(benchmark: Runner, tmp_path: Path) -> None:
    model = external(tmp_path)
    (tmp_path / DATA).unlink()
    run = benchmark(*SYNTHETIC, "--model", model)
    assert run.status == 2
    assert run.error.startswith(f"{model} lacks its weights: there is no {tmp_path / DATA}.")
    assert run.left_nothing


def test_weights_that_are_cut_off(tmp_path: Path) -> None:
    model = external(tmp_path)
    os.truncate(tmp_path / DATA, 100)
    with pytest.raises(ModelError, match=r"cut off: it has 100 bytes of 12000\."):
        read_model(model, tmp_path)


@pytest.mark.parametrize("absolute", [False, True])
def test_weights_outside_the_folder_are_not_read(absolute: bool, tmp_path: Path) -> None:
    model = external(tmp_path / "model")
    (tmp_path / "model" / DATA).rename(tmp_path / DATA)
    relocated(model, str(tmp_path / DATA) if absolute else f"../{DATA}")
    with pytest.raises(ModelError, match="leads out of its folder"):
        read_model(model, tmp_path)


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    """Nor does OpenVINO. A link to the model itself is the user's own."""
    model = external(tmp_path / "model")
    (tmp_path / "model" / DATA).rename(tmp_path / "blob")
    (tmp_path / "model" / DATA).symlink_to(tmp_path / "blob")
    with pytest.raises(ModelError, match="leads out of its folder"):
        read_model(model, tmp_path)
    (tmp_path / "model" / DATA).unlink()
    (tmp_path / "blob").rename(tmp_path / "model" / DATA)
    model.rename(tmp_path / "blob")
    model.symlink_to(tmp_path / "blob")
    read_model(model, tmp_path)
    assert [file.name for file in model_files(model)] == ["tiny.onnx", DATA]


def test_weights_in_a_folder_below(tmp_path: Path) -> None:
    model = external(tmp_path, "weights/part.bin")
    relocated(model, "./weights/../weights/part.bin")
    read_model(model, tmp_path)
    assert model_files(model) == (model, tmp_path / "weights" / "part.bin")


def test_every_tensor_that_may_lie_elsewhere_is_found(tmp_path: Path) -> None:
    """Initializers, attributes of nodes, bodies of branches and functions, sparse tensors."""

    def tensor(name: str) -> TensorProto:
        found = helper.make_tensor(
            name, TensorProto.FLOAT, [4], np.zeros(4, np.float32).tobytes(), raw=True
        )
        found.ClearField("raw_data")
        found.data_location = TensorProto.EXTERNAL
        for key, value in (("location", f"{name}.bin"), ("offset", "8"), ("length", "16")):
            found.external_data.add(key=key, value=value)
        assert uses_external_data(found)
        return found

    def constant(name: str) -> onnx.NodeProto:
        return helper.make_node("Constant", [], [name], value=tensor(name))

    branch = helper.make_graph([constant("branch")], "b", [], [], [tensor("deep")])
    sparse = onnx.SparseTensorProto(values=tensor("values"), indices=tensor("indices"), dims=[9])
    graph = helper.make_graph(
        [
            constant("node"),
            helper.make_node("If", ["x"], ["y"], then_branch=branch),
            helper.make_node("Constant", [], ["s"], sparse_value=sparse),
        ],
        "g",
        [],
        [],
        [tensor("first"), helper.make_tensor("inside", TensorProto.FLOAT, [1], [1.0])],
    )
    function = helper.make_function("d", "f", [], [], [constant("function")], [])
    model = helper.make_model(graph, functions=[function])
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    found = external_data(tmp_path / "m.onnx")
    names = ("branch", "deep", "first", "function", "indices", "node", "values")
    assert [data.location for data in found] == [f"{name}.bin" for name in names]
    assert {data.end for data in found} == {24}


@pytest.mark.parametrize(
    "content", [b"", b"no model", bytes(range(256)), b"\x3a\xff\xff\xff\xff\x0f"]
)
def test_what_is_no_onnx_has_no_weights_elsewhere(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    assert external_data(tmp_path / "m.onnx") == ()


def test_an_unpacked_archive_that_changed_is_unpacked_anew(tmp_path: Path) -> None:
    model = Tiny().save(tmp_path)
    archive = tmp_path / "tiny.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for part in (model, model.with_suffix(".bin")):
            file.write(part, part.name)
    read_model(archive, tmp_path / "cache")
    (weights,) = tmp_path.glob("cache/models/*/model.bin")
    wanted = weights.read_bytes()
    weights.write_bytes(bytes(len(wanted)))
    read_model(archive, tmp_path / "cache")
    assert weights.read_bytes() == wanted
