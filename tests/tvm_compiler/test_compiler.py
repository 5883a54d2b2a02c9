"""What the compiler says about models, and what it leaves to TVM."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantFormat

from mlperf_benchmark.core.errors import ModelError, OutputError, RunError
from mlperf_benchmark.core.onnx_reading import read_onnx
from mlperf_benchmark.tvm_compiler.artifact import read_description
from mlperf_benchmark.tvm_compiler.compiler import compile_model
from mlperf_benchmark.tvm_compiler.options import CompileOptions
from tests.tvm_compiler.conftest import Compiler
from tests.tvm_compiler.graphs import Model, normalised, quantized, random_images, reference


def sine(model: Model) -> Model:
    source = model.last
    return model.add("Sin").add("Mul", source)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_operators_without_a_schedule_are_named_and_correct(
    precision: str, compiler: Compiler, tmp_path: Path
) -> None:
    model = sine(Model(10, 10).conv(32).relu().conv(32, 3, pads=1)).classifier(5)
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
    assert any("sin" in line and "0.0%" in line for line in compiler.lines)
    # What it costs is not in its arithmetic: two of its own tensors, of all that are moved.
    moved = read_description(path).fallback_bytes["sin"]
    assert 0.1 < moved < 0.6
    told = f"{moved:.1%} of the bytes that are read and written"
    assert any("sin" in line and told in line for line in compiler.lines)
    [time] = [line for line in compiler.lines if line.startswith("Operators without a schedule")]
    assert re.search(r"take [1-9]\d?% of the time of an inference here: .*sin \d+\.\d{3} ms", time)
    assert read_description(path).precision == precision


def branches(model: Model) -> Model:
    """Two branches of different operators, joined along the channels."""
    trunk = model.conv(20).relu().last
    first = model.add("Sin").last
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
    assert named == {"sin", "softmax"}


def test_tokens_of_an_operator_without_a_schedule_keep_their_order(compiler: Compiler) -> None:
    model = Model(4, 6).conv(20)
    model.add("Reshape", model.constant([0, 20, 24], np.int64)).add("Transpose", perm=[0, 2, 1])
    model.add("Sin").add("MatMul", model.constant(model.random.normal(size=(20, 7)))).flatten()
    images = random_images(2, 4, 6)
    path = compiler.compile(model.onnx(), batches=(2,))

    scores = compiler.load(path, model.image(), max_batch_size=2).predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_images_with_channels_last_are_compiled(compiler: Compiler) -> None:
    model = Model(8, 10).add("Transpose", perm=[0, 3, 1, 2]).conv(20, 3, pads=1).classifier(5)
    source = model.onnx()
    del source.graph.value_info[:]
    for axis, extent in enumerate((8, 10, 3), 1):
        source.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = extent
    images = random_images(2, 8, 10)
    path = compiler.compile(source, batches=(2,))

    scores = compiler.load(path, model.image(), max_batch_size=2).predict(images)

    first = model.nodes.pop(0)
    model.nodes[0].input[0] = first.input[0]
    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    assert not any("No schedule" in line for line in compiler.lines)


def test_models_with_all_schedules_name_none(compiler: Compiler) -> None:
    compiler.compile(Model(8, 8).conv(16).relu().classifier(4).onnx(), batches=(1,))
    assert not any("schedule" in line for line in compiler.lines)


@pytest.mark.parametrize("opset", [10, 13])
def test_padding_before_a_convolution_is_merged(opset: int, compiler: Compiler) -> None:
    model, pads = Model(9, 9, opset=opset), [0, 0, 0, 0, 0, 0, 1, 1]
    if opset == 10:
        model.add("Pad", pads=pads)
    else:
        model.add("Pad", model.constant(pads, np.int64))
    model.conv(16, 3, stride=2).relu().classifier(4)
    images = random_images(1, 9, 9)
    path = compiler.compile(model.onnx(), batches=(1,))

    scores = compiler.load(path, model.image()).predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    assert not any("No schedule" in line for line in compiler.lines)


@pytest.mark.parametrize("auto_pad", ["VALID", "SAME_UPPER", "SAME_LOWER"])
def test_automatic_padding_is_that_of_onnx(auto_pad: str, compiler: Compiler) -> None:
    """As exporters from TensorFlow write it, also beside a padding by numbers."""
    model = Model(21, 24)
    model.add("Pad", model.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    weights = model.constant(model.random.normal(size=(16, 3, 3, 3)) / 5)
    model.add("Conv", weights, kernel_shape=(3, 3), strides=(2, 2), auto_pad=auto_pad)
    for kind, kernel in (("MaxPool", 3), ("AveragePool", 2)):
        model.add(kind, kernel_shape=(kernel,) * 2, strides=(2, 2), auto_pad=auto_pad)
    model.flatten()
    images = random_images(1, 21, 24)
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
    [
        (("n", 3, None, None), "fixed C, H and W"),
        (("n", 12), "fixed C, H and W"),
        (("n", 1, 12, 12), r"\(N, 1, 12, 12\), grey images, .* three input channels"),
        (("n", 12, 12, 1), "grey images"),
        (("n", 4, 12, 12), "4 channels, and the data sets have 3: RGB"),
    ],
)
def test_inputs_that_are_no_images_are_named(
    shape: tuple[str | int | None, ...], message: str, tmp_path: Path
) -> None:
    """When they are compiled, not when they are loaded."""
    value = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)
    node = helper.make_node("Relu", ["input"], ["output"])
    graph = helper.make_graph([node], "test", [value], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    with pytest.raises(ModelError, match=message):
        compile_model(model, tmp_path / "m.tvm", CompileOptions())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "way_out"),
    [
        (TensorProto.FLOAT16, "in float32"),
        (TensorProto.DOUBLE, "in float32"),
        (TensorProto.UINT8, "without its preprocessing"),
    ],
)
def test_inputs_of_other_types_are_named(kind: int, way_out: str, tmp_path: Path) -> None:
    source = Model(6, 6).conv(16).classifier(3).onnx()
    source.graph.input[0].type.tensor_type.elem_type = kind
    with pytest.raises(ModelError, match=f"float32 is compiled: export the model {way_out}"):
        compile_model(cast_at_the_start(source), tmp_path / "m.tvm", CompileOptions())
    assert list(tmp_path.iterdir()) == []


def cast_at_the_start(source: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its input's values as float32."""
    for node in source.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = "cast" if name == "input" else name
    cast = helper.make_node("Cast", ["input"], ["cast"], to=TensorProto.FLOAT)
    source.graph.node.insert(0, cast)
    return source


@pytest.mark.parametrize(
    ("kind", "dtype", "name"),
    [(TensorProto.FLOAT16, np.float16, "float16"), (TensorProto.DOUBLE, np.float64, "double")],
)
def test_other_floats_inside_are_named(
    kind: int, dtype: type[np.floating[Any]], name: str, tmp_path: Path
) -> None:
    model = Model(6, 6).add("Cast", to=kind)
    model.add("Mul", model.constant(0.5, dtype)).add("Cast", to=TensorProto.FLOAT)
    model.conv(16).classifier(3)
    with pytest.raises(ModelError, match=rf'computes in {name} \("t0", Cast\).*in float32'):
        compile_model(model.onnx(), tmp_path / "m.tvm", CompileOptions())
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_only_stored_in_float16_are_compiled(compiler: Compiler) -> None:
    model = Model(6, 6)
    weights = model.random.normal(size=(16, 3, 1, 1)).astype(np.float16)
    stored = model.constant(weights, np.float16)
    model.nodes.append(helper.make_node("Cast", [stored], ["weights"], to=TensorProto.FLOAT))
    model.add("Conv", "weights", kernel_shape=(1, 1)).flatten()
    images = random_images(1, 6, 6)

    scores = compiler.load(compiler.compile(model.onnx(), batches=(1,)), model.image()).predict(
        images
    )

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_models_that_answer_the_best_class_are_named(keepdims: int, tmp_path: Path) -> None:
    source = Model(6, 6).conv(16).classifier(3).add("ArgMax", axis=1, keepdims=keepdims).onnx()
    source.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(ModelError, match="is int64, such as the best class, and scores are compil"):
        compile_model(source, tmp_path / "m.tvm", CompileOptions())


def test_other_forms_of_int8_are_named(tmp_path: Path) -> None:
    model = Model(9, 9).conv(16).relu().classifier(3)
    calibration = normalised(random_images(2, 9, 9), model.image())
    source = quantized(model.onnx(), [calibration], tmp_path, quant_format=QuantFormat.QOperator)
    with pytest.raises(ModelError, match=r"operator QLinearConv.*quant_format=QuantFormat\.QDQ"):
        compile_model(source, tmp_path / "m.tvm", CompileOptions())
