"""The ONNX Runtime backend: what only it has."""

import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import openvino as ov
import psutil
import pytest
from onnxruntime.quantization import QuantFormat

import backend_onnxruntime
from backend import BackendInfo
from backend_onnxruntime import OnnxRuntimeBackend
from mlperf_benchmark.core.errors import ModelError, UnknownNameError, UsageError
from tests.command import ROOT, command, environment
from tests.test_backends import answers, best, colours, configuration
from tests.tiny_models import Tiny
from tests.tiny_onnx import save_onnx
from tests.tvm_compiler.graphs import Model, normalised, quantized, random_images, reference

OLD_CPU = frozenset({"ssse3", "avx2"})
NEW_CPU = OLD_CPU | {"avx512_vnni"}


def loaded(model: Path, **changes: Any) -> BackendInfo:
    backend = OnnxRuntimeBackend(configuration(model, **changes))
    info = backend.load()
    backend.close()
    return info


def refusal(model: Path, **changes: Any) -> str:
    with pytest.raises(ModelError) as caught:
        OnnxRuntimeBackend(configuration(model, **changes)).load()
    return str(caught.value)


def test_threads_and_streams(tmp_path: Path) -> None:
    model = save_onnx(Tiny(), tmp_path)
    for changes, expected in (
        ({"goal": "latency", "threads": 2}, (2, 1)),
        ({"threads": 2}, (2, 2)),
        ({"threads": 2, "streams": 1}, (2, 1)),
        ({"threads": 1, "streams": 3}, (1, 1)),
    ):
        info = loaded(model, **changes)
        assert (info.threads, info.streams) == expected
        assert info.requests == 2 * info.streams


def test_the_backend_tells_what_it_runs(tmp_path: Path) -> None:
    info = loaded(save_onnx(Tiny(), tmp_path))
    assert (info.name, info.version) == ("onnxruntime", ort.__version__)
    assert info.executed_precision == "f32"
    assert info.execution_providers == ("CPUExecutionProvider",)


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator], ids=str)
@pytest.mark.parametrize("small_weights", [True, False], ids=["7 bits", "8 bits"])
def test_int8(
    tmp_path: Path, form: QuantFormat, small_weights: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(224, 224).conv(16, 3, stride=4).relu().conv(32, 3, stride=2).classifier(1000)
    images = random_images(4, 224, 224)
    calibration = [normalised(images, model.image())]
    int8 = quantized(model.onnx(), calibration, tmp_path, small_weights, quant_format=form)
    onnx.save(int8, tmp_path / "model.onnx")
    backend = OnnxRuntimeBackend(
        configuration(tmp_path / "model.onnx", image=model.image(), max_batch_size=4)
    )
    monkeypatch.setattr(backend_onnxruntime, "cpu_flags", lambda: OLD_CPU)
    info = backend.load()
    scores = backend.predict(images)
    backend.close()
    assert info.executed_precision == "int8"
    assert info.int8_can_overflow is not small_weights
    expected = reference(model.onnx(), images, model.image())
    assert np.abs(scores - expected).max() < 0.1 * np.abs(expected).max()
    monkeypatch.setattr(backend_onnxruntime, "cpu_flags", lambda: NEW_CPU)
    assert not loaded(tmp_path / "model.onnx", image=model.image()).int8_can_overflow


def test_layers_that_dequantize_their_weights_compute_in_floating_point(tmp_path: Path) -> None:
    model = Model(224, 224).conv(16, 3, stride=4).classifier(1000)
    model.nodes.insert(0, onnx.helper.make_node("DequantizeLinear", ["bytes", "scale"], ["c0"]))
    size = model.constants[0].dims
    bytes_ = onnx.numpy_helper.from_array(np.ones(size, np.int8), "bytes")
    scale = onnx.numpy_helper.from_array(np.float32(0.1), "scale")
    model.constants[:1] = [bytes_, scale]
    onnx.save(model.onnx(), tmp_path / "model.onnx")
    assert loaded(tmp_path / "model.onnx", image=model.image()).executed_precision == "f32"


def test_half_precision_input_and_read_only_images(tmp_path: Path) -> None:
    tiny = Tiny(element_type=ov.Type.f16)
    backend = OnnxRuntimeBackend(configuration(save_onnx(tiny, tmp_path)))
    backend.load()
    images = colours(1)
    images.flags.writeable = False
    assert best(backend, images) == answers(tiny, images)


def test_weights_beside_the_model(tmp_path: Path) -> None:
    tiny, path = Tiny(), tmp_path / "model.onnx"
    model = onnx.load(save_onnx(tiny, tmp_path))
    onnx.save(model, path, save_as_external_data=True, location="model.data", size_threshold=64)
    backend = OnnxRuntimeBackend(configuration(path))
    backend.load()
    assert best(backend, colours(1)) == answers(tiny, colours(1))
    weights = tmp_path / "model.data"
    weights.write_bytes(weights.read_bytes()[:100])
    assert f"{weights}, the weights of {path}, is cut off" in refusal(path)
    weights.rename(tmp_path.parent / "elsewhere.data")
    assert f"{path} lacks its weights" in refusal(path)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../elsewhere.data"
    path.write_bytes(model.SerializeToString())
    assert "leads out of its folder" in refusal(path)


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    assert "none.onnx" in refusal(tmp_path / "none.onnx")
    assert "not an .onnx file" in refusal(tmp_path / "model.xml")
    for content, words in (
        (b"nonsense", "is not an ONNX model"),
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (save_onnx(Tiny(), tmp_path).read_bytes()[:9000], "is not an ONNX model, or is cut short"),
    ):
        (tmp_path / "model.onnx").write_bytes(content)
        assert f"{tmp_path / 'model.onnx'} {words}" in refusal(tmp_path / "model.onnx")


@pytest.mark.parametrize("kind", ["NaN", "infinite"])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, kind: str) -> None:
    model = onnx.load(save_onnx(Tiny(), tmp_path))
    weights = model.graph.initializer[0]
    values = onnx.numpy_helper.to_array(weights).copy()
    values[0, 0] = np.nan if kind == "NaN" else np.inf
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    onnx.save(model, tmp_path / "tiny.onnx")
    assert f"The model's weights c0 hold {kind} values" in refusal(tmp_path / "tiny.onnx")


def test_operator_that_nobody_knows_is_named(tmp_path: Path) -> None:
    model = onnx.load(save_onnx(Tiny(), tmp_path))
    model.graph.node[-1].op_type = "Fancy"
    onnx.save(model, tmp_path / "fancy.onnx")
    message = refusal(tmp_path / "fancy.onnx")
    assert "Fancy" in message
    assert "\n" not in message
    assert "[ONNXRuntimeError]" not in message


def test_execution_provider_that_is_not_installed_or_runs_nothing_is_refused(
    tmp_path: Path,
) -> None:
    model = save_onnx(Tiny(), tmp_path)
    with pytest.raises(UnknownNameError, match='Did you mean "CPUExecutionProvider"'):
        loaded(model, execution_provider="CUDAExecutionProvider")
    if "AzureExecutionProvider" in ort.get_available_providers():
        with pytest.raises(UsageError, match="runs no layer"):
            loaded(model, execution_provider="AzureExecutionProvider")


def test_threads_rest_while_others_have_their_turn(tmp_path: Path) -> None:
    """ONNX Runtime's threads look for work for some time after each inference."""
    pause = 0.1
    model = save_onnx(Tiny(), tmp_path)
    options = ["--profile", "reference-onnxruntime", "--dataset", "synthetic", "--model", model]
    turns = ["--threads", 2, "--queries", 8, "--queries-per-turn", 2]
    with subprocess.Popen(
        command([*options, *turns, "--output", tmp_path / "out"]),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        used = []
        for line in process.stdout:
            if line == "ready\n":
                before = psutil.Process(process.pid).cpu_times()
                time.sleep(pause)
                after = psutil.Process(process.pid).cpu_times()
                used.append(after.user + after.system - before.user - before.system)
                process.stdin.write("\n")
    assert process.returncode in (0, 3)
    assert len(used) == 2 + 8 // 2
    # They would use 25 ms each time.
    assert sum(used) < 0.06
