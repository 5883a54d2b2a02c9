"""What the compiler says about models, and what it leaves to TVM."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from mlperf_benchmark.core.errors import ModelError, OutputError, RunError
from mlperf_benchmark.models.files.onnx_reading import read_onnx
from mlperf_benchmark.tvm_compiler.compiler import compile_model
from mlperf_benchmark.tvm_compiler.options import CompileOptions
from tests.compiled.conftest import Compiler
from tests.compiled.graphs import Model, normalised, quantized, random_images, reference


def swish(model: Model) -> Model:
    source = model.last
    return model.add("Sigmoid").add("Mul", source)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_operators_without_a_schedule_are_named_and_correct(
    precision: str, compiler: Compiler, tmp_path: Path
) -> None:
    model = swish(Model(10, 10).conv(32).relu().conv(32, 3, pads=1, group=4)).classifier(5)
    source = model.onnx()
    images = random_images(2, 10, 10)
    if precision == "int8":
        calibration = normalised(random_images(4, 10, 10, 1), model.image())
        source = quantized(source, [calibration], tmp_path)
    path = compiler.compile(source, batches=(2,))

    scores = compiler.load(path, model.image(), max_batch_size=2).predict(images)

    expected = reference(source, images, model.image())
    tolerance = 1e-4 if precision == "float32" else 0.05 * np.abs(expected).max()
    np.testing.assert_allclose(scores, expected, atol=tolerance, rtol=0)
    # 32 * 8 * 9 MACs a pixel of the grouped convolution, 3 * 32 of the first one.
    share = 32 * 8 * 9 * 100 / (32 * 8 * 9 * 100 + 3 * 32 * 100 + 32 * 5)
    assert any("conv2d" in line and f"{share:.1%}" in line for line in compiler.lines)
    assert any("sigmoid" in line and "0.0%" in line for line in compiler.lines)


def branches(model: Model) -> Model:
    """Two branches of different operators, joined along the channels."""
    trunk = model.conv(20).relu().last
    first = model.add("AveragePool", kernel_shape=(3, 3), pads=(1, 1, 1, 1)).last
    model.last = trunk
    return model.add("HardSigmoid").add("Concat", first, axis=1)


def test_branches_of_operators_without_a_schedule_are_joined(compiler: Compiler) -> None:
    model = branches(Model(7, 7))
    model.channels = 40
    model.conv(16).classifier(3).add("Softmax", axis=1)
    images = random_images(2, 7, 7)
    path = compiler.compile(model.onnx(), batches=(1, 2))

    scores = compiler.load(path, model.image(), max_batch_size=2).predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    named = {line.split('"')[1] for line in compiler.lines if "No schedule" in line}
    assert {"concat", "softmax"} <= named


def test_models_with_all_schedules_name_none(compiler: Compiler) -> None:
    compiler.compile(Model(8, 8).conv(16).relu().classifier(4).onnx(), batches=(1,))
    assert not any("No schedule" in line for line in compiler.lines)


def test_padding_before_a_convolution_is_merged(compiler: Compiler) -> None:
    model = Model(9, 9)
    widths = model.constant([0, 0, 0, 0, 0, 0, 1, 1], np.int64)
    model.add("Pad", widths).conv(16, 3, stride=2).relu().classifier(4)
    images = random_images(1, 9, 9)
    path = compiler.compile(model.onnx(), batches=(1,))

    scores = compiler.load(path, model.image()).predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    assert not any("No schedule" in line for line in compiler.lines)


def test_batch_norm_that_was_not_folded_is_computed(compiler: Compiler) -> None:
    model = Model(8, 8).conv(24)
    parameters = [model.constant(model.random.uniform(0.5, 2, 24)) for _ in range(4)]
    model.add("BatchNormalization", *parameters).relu().classifier(4)
    images = random_images(1, 8, 8)
    path = compiler.compile(model.onnx(), batches=(1,))

    scores = compiler.load(path, model.image()).predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_a_classifier_of_all_pixels_is_compiled(compiler: Compiler) -> None:
    model = Model(5, 5).conv(24).relu().add("Flatten")
    weights = model.constant(model.random.normal(size=(6, 24 * 25)) / 20)
    model.add("Gemm", weights, model.constant(np.zeros(6)), transB=1)
    images = random_images(3, 5, 5)
    path = compiler.compile(model.onnx(), batches=(3,))

    scores = compiler.load(path, model.image(), max_batch_size=3).predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    assert not any("No schedule" in line for line in compiler.lines)


def test_dequantization_with_another_scale_is_named(tmp_path: Path) -> None:
    model = Model(8, 8)
    model.add("QuantizeLinear", model.constant(0.1), model.constant(0, np.uint8))
    model.add("DequantizeLinear", model.constant(0.2), model.constant(0, np.uint8))
    model.conv(16).classifier(3)
    with pytest.raises(ModelError, match="dequantizes a tensor in a way that is not supported"):
        compile_model(model.onnx(), tmp_path / "m.tvm", CompileOptions())
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    model = Model(6, 6).conv(16).classifier(3).onnx()
    target = tmp_path / "missing" / "m.tvm"
    with pytest.raises(OutputError, match=r"missing/m\.tvm"):
        compile_model(model, target, CompileOptions(batches=(1,)))


@pytest.mark.parametrize("name", ["", "no-such-compiler"])
def test_a_missing_linker_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", name)
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(RunError, match=r"install g\+\+"):
        compile_model(Model(6, 6).onnx(), tmp_path / "m.tvm", CompileOptions())


def test_broken_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(ModelError, match=r"m\.onnx"):
        read_onnx(path)
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match=r"m\.onnx is not an ONNX model"):
        read_onnx(path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [(("n", 3, None, None), "fixed C, H and W"), (("n", 12), "fixed C, H and W")],
)
def test_inputs_that_are_no_images_are_named(
    shape: tuple[str | int | None, ...], message: str, tmp_path: Path
) -> None:
    value = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)
    node = helper.make_node("Relu", ["input"], ["output"])
    graph = helper.make_graph([node], "test", [value], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    with pytest.raises(ModelError, match=message):
        compile_model(model, tmp_path / "m.tvm", CompileOptions())
