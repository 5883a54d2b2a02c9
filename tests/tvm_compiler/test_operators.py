"""Every operator over a grid of shapes against ONNX Runtime, FP32 and INT8."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType

from mlperf_benchmark.tvm_compiler.artifact import read_description
from tests.tvm_compiler.conftest import Compiler
from tests.tvm_compiler.graphs import Model, normalised, quantized, random_images, reference

Builder = Callable[[], Model]


def two_readers(model: Model) -> Model:
    """Negative numbers, to a maximum and to a convolution: different borders."""
    trunk = model.last
    model.max_pool(3, 1, 1)
    pooled = model.last
    model.last = trunk
    return model.conv(20, 3, pads=1).add("Add", pooled)


CASES: dict[str, Builder] = {
    "1x1 over whole blocks": lambda: Model(14, 14).conv(32).relu().conv(64),
    "1x1 over channels that fill no block": lambda: Model(9, 9).conv(24).relu().conv(45),
    "1x1 stride 2": lambda: Model(15, 15).conv(32).relu().conv(48, stride=2),
    "3x3 padded": lambda: Model(14, 14).conv(20).relu().conv(33, 3, pads=1),
    "3x3 unpadded odd size": lambda: Model(13, 17).conv(16).relu().conv(16, 3),
    "3x3 stride 2, padded on one side": lambda: (
        Model(12, 12).conv(16).relu().conv(40, 3, stride=2, pads=(0, 0, 1, 1))
    ),
    "3x3 dilated": lambda: Model(11, 11).conv(16).relu().conv(16, 3, pads=2, dilation=2),
    "5x5": lambda: Model(10, 10).conv(16).relu().conv(16, 5, pads=2),
    "7x7 stride 2 on the image": lambda: Model(22, 22).conv(64, 7, stride=2, pads=3),
    "3x3 stride 2 on an odd image": lambda: Model(19, 23).conv(32, 3, stride=2, pads=1),
    "1x5 and 5x1": lambda: (
        Model(9, 9).conv(16, (1, 5), pads=(0, 2, 0, 2)).relu().conv(16, (5, 1), pads=(2, 0, 2, 0))
    ),
    "many rows in one tile": lambda: (
        Model(7, 7).conv(64).relu().conv(96).relu().conv(32, 3, pads=1)
    ),
    "a small image with much to add up": lambda: (
        Model(7, 7).conv(72).relu().conv(80, 3, pads=1).relu().conv(300).relu().conv(33)
    ),
    "a prime width": lambda: Model(5, 37).conv(16).relu().conv(16),
    "depthwise 3x3": lambda: Model(14, 14).conv(32).relu6().depthwise(3, pads=1),
    "depthwise 3x3 stride 2": lambda: (
        Model(15, 15).conv(24).relu6().depthwise(3, stride=2, pads=(0, 0, 1, 1))
    ),
    "depthwise 5x5 stride 2": lambda: Model(17, 17).conv(40).relu6().depthwise(5, 2, pads=2),
    "depthwise 7x7": lambda: Model(9, 9).conv(16).relu().depthwise(7, pads=3),
    "max pool 3x3 stride 2": lambda: Model(14, 14).conv(32).relu().max_pool(3, 2, 1),
    "max pool of negative numbers": lambda: Model(9, 9).conv(20).max_pool(3, 2, 1),
    "depthwise on the image": lambda: Model(10, 10).depthwise(3, pads=1).relu().conv(16),
    "max pool on the image": lambda: Model(10, 10).max_pool(3, 2, 1).conv(16),
    "padded convolution of one pixel": lambda: (
        Model(6, 6).conv(16).relu().add("GlobalAveragePool").conv(24, 3, pads=1)
    ),
    "a convolution of one pixel that skips": lambda: (
        Model(6, 6).conv(16).relu().add("GlobalAveragePool").conv(24, stride=2)
    ),
    "a value that is padded in two ways": lambda: two_readers(Model(10, 10).conv(20)),
    "max pool 2x2": lambda: Model(8, 8).conv(16).relu().max_pool(2, 2, 0),
}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_float32_equals_onnx_runtime(case: str, batch: int, compiler: Compiler) -> None:
    model = CASES[case]().flatten()
    images = random_images(batch, model.height, model.width)
    path = compiler.compile(model.onnx(), batches=(batch,))

    scores = compiler.load(path, model.image(), max_batch_size=batch).predict(images)

    np.testing.assert_allclose(
        scores, reference(model.onnx(), images, model.image()), rtol=1e-4, atol=2e-5
    )


@pytest.mark.parametrize("case", CASES)
def test_int8_equals_onnx_runtime(case: str, compiler: Compiler, tmp_path: Path) -> None:
    model = CASES[case]().flatten()
    images = random_images(2, model.height, model.width)
    calibration = [normalised(random_images(4, model.height, model.width, 1), model.image())]
    integer = quantized(model.onnx(), calibration, tmp_path)
    path = compiler.compile(integer, batches=(2,))

    scores = compiler.load(path, model.image(), max_batch_size=2).predict(images)

    assert_nearly_all_steps_equal(scores, reference(integer, images, model.image()))


PER_TENSOR = ("3x3 padded", "1x1 stride 2", "7x7 stride 2 on the image", "depthwise 3x3")


@pytest.mark.parametrize("weight_type", [QuantType.QInt8, None])
@pytest.mark.parametrize("case", PER_TENSOR)
def test_weights_of_one_scale_compute_in_int8(
    case: str, weight_type: QuantType | None, compiler: Compiler, tmp_path: Path
) -> None:
    """onnxruntime's default; None: all that quantize_static does by default."""
    model = CASES[case]().flatten()
    images = random_images(2, model.height, model.width)
    calibration = [normalised(random_images(4, model.height, model.width, 1), model.image())]
    options: dict[str, Any] = {"per_channel": False}
    if weight_type is None:
        options |= {"activation_type": QuantType.QInt8, "quant_format": QuantFormat.QDQ}
    integer = quantized(model.onnx(), calibration, tmp_path, **options)
    path = compiler.compile(integer, batches=(2,))

    scores = compiler.load(path, model.image(), max_batch_size=2).predict(images)

    assert read_description(path).precision == "int8"
    assert not any("8-bit weights" in line for line in compiler.lines)
    assert_nearly_all_steps_equal(scores, reference(integer, images, model.image()))


def test_network_of_one_scale_a_layer_computes_in_int8(compiler: Compiler, tmp_path: Path) -> None:
    """The classifier, too: its weights are transposed after they are dequantized."""
    model = block(Model(14, 14)).classifier(10)
    calibration = normalised(random_images(4, 14, 14, 1), model.image())
    integer = quantized(model.onnx(), [calibration], tmp_path, per_channel=False)
    images = random_images(2, 14, 14)
    path = compiler.compile(integer, batches=(2,))

    scores = compiler.load(path, model.image(), max_batch_size=2).predict(images)

    expected = reference(integer, images, model.image())
    np.testing.assert_allclose(scores, expected, atol=0.02 * np.abs(expected).max(), rtol=0)
    assert read_description(path).precision == "int8"
    assert not any("8-bit weights" in line for line in compiler.lines)


def test_weights_that_are_reshaped_compute_in_int8(compiler: Compiler) -> None:
    model = Model(9, 9, last="weights")
    values = model.random.integers(-127, 128, (32, 27)).astype(np.int8)
    model.constants.append(numpy_helper.from_array(values, "weights"))
    zero = model.constant(0, np.int8)
    model.add("DequantizeLinear", model.constant(0.005), zero)
    weights = model.add("Reshape", model.constant([32, 3, 3, 3], np.int64)).last
    model.last = "input"
    convolved(model, weights)
    images = random_images(1, 9, 9)
    path = compiler.compile(model.onnx(), batches=(1,))

    scores = compiler.load(path, model.image()).predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    assert read_description(path).precision == "int8"


def convolved(model: Model, weights: str) -> None:
    """A quantized image with (32, 3, 3, 3) weights; no pixel lies between two steps."""
    steps = (model.constant(0.0231), model.constant(120, np.uint8))
    model.add("QuantizeLinear", *steps).add("DequantizeLinear", *steps)
    model.add("Conv", weights, kernel_shape=(3, 3), pads=(1, 1, 1, 1)).flatten()


@pytest.mark.parametrize(("zero_point", "precision"), [(128, "int8"), (90, "float32")])
def test_unsigned_weights_are_taken_or_told(
    zero_point: int, precision: str, compiler: Compiler
) -> None:
    """Around 128 they are int8 weights in other clothes."""
    model = Model(9, 9, last="weights")
    unsigned = model.random.integers(0, 256, (32, 3, 3, 3))
    model.constants.append(numpy_helper.from_array(unsigned.astype(np.uint8), "weights"))
    zero = model.constant(zero_point, np.uint8)
    weights = model.add("DequantizeLinear", model.constant(0.005), zero).last
    model.last = "input"
    convolved(model, weights)
    images = random_images(1, 9, 9)
    path = compiler.compile(model.onnx(), batches=(1,))

    scores = compiler.load(path, model.image()).predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    assert read_description(path).precision == precision
    told = any("100% of the multiply-accumulates" in line for line in compiler.lines)
    assert told == (precision == "float32")


def assert_nearly_all_steps_equal(scores: np.ndarray, expected: np.ndarray) -> None:
    """What lies between two steps may round to either, here and in what is computed from it."""
    steps = np.diff(np.unique(expected))
    step = steps[steps > 1e-6].min()
    off = np.abs(scores - expected) / step
    assert off.max() < 2.01
    assert np.mean(off > 0.01) < 0.04


def block(model: Model) -> Model:
    """A residual block with a convolution on each branch."""
    model.conv(32).relu()
    trunk = model.last
    model.conv(16).relu().conv(16, 3, pads=1).relu().conv(32)
    branch = model.last
    model.last = trunk
    model.conv(32)
    return model.add("Add", branch).relu()


def identity_block(model: Model) -> Model:
    """A residual block whose input is added as it is."""
    model.conv(24).relu()
    trunk = model.last
    return model.conv(48).relu6().depthwise(3, pads=1).relu6().conv(24).add("Add", trunk)


@pytest.mark.parametrize("build", [block, identity_block])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_residual_networks_equal_onnx_runtime(
    build: Callable[[Model], Model], precision: str, compiler: Compiler, tmp_path: Path
) -> None:
    model = build(Model(14, 14)).classifier(10)
    source = model.onnx()
    if precision == "int8":
        calibration = normalised(random_images(4, 14, 14, 1), model.image())
        source = quantized(source, [calibration], tmp_path)
    images = random_images(5, 14, 14)
    path = compiler.compile(source, batches=(1, 2))

    scores = compiler.load(path, model.image(), max_batch_size=5).predict(images)

    expected = reference(source, images, model.image())
    tolerance = 1e-4 if precision == "float32" else 0.02 * np.abs(expected).max()
    np.testing.assert_allclose(scores, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4", "alderlake"])
@pytest.mark.parametrize("precision", ["float32", "int8", "int8 with 7-bit weights"])
def test_other_targets_compute_the_same(
    target: str, precision: str, compiler: Compiler, tmp_path: Path, runnable: Callable[[str], None]
) -> None:
    runnable(target)
    model = identity_block(Model(13, 13)).conv(20, 3, stride=2, pads=1).flatten()
    source = model.onnx()
    if precision != "float32":
        calibration = normalised(random_images(4, 13, 13, 1), model.image())
        source = quantized(source, [calibration], tmp_path, small_weights="7-bit" in precision)
    images = random_images(1, 13, 13)
    path = compiler.compile(source, batches=(1,), target=target)

    scores = compiler.load(path, model.image()).predict(images)

    expected = reference(source, images, model.image())
    if precision != "float32":
        step = np.diff(np.unique(expected)).max()
        assert np.abs(scores - expected).max() < 2.1 * step
    else:
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=2e-5)


def test_groups_of_odd_channels_do_not_overflow(
    compiler: Compiler, runnable: Callable[[str], None]
) -> None:
    """Which channels are multiplied in pairs depends on where a group begins."""
    target = "x86-64-v3"
    runnable(target)
    model = Model(5, 5).conv(48).relu()
    steps = (model.constant(0.001), model.constant(0, np.uint8))
    source = model.add("QuantizeLinear", *steps).add("DequantizeLinear", *steps).last
    model.last = model.constant(np.tile([[[-127]], [[127]], [[127]]], (32, 1, 1, 1)), np.int8)
    scale = (model.constant(0.01), model.constant(0, np.int8))
    weights = model.add("DequantizeLinear", *scale).last
    model.last = source
    model.add("Conv", weights, kernel_shape=(1, 1), group=16).flatten()
    images = random_images(1, 5, 5)
    path = compiler.compile(model.onnx(), batches=(1,), target=target)

    scores = compiler.load(path, model.image()).predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, atol=0.01)
    assert "int8" in read_description(path).precision


@pytest.mark.parametrize("small_weights", [False, True])
def test_weights_that_overflow_quick_products_are_told(
    small_weights: bool, compiler: Compiler, tmp_path: Path
) -> None:
    model = Model(9, 9).conv(32).relu().conv(64, 3, pads=1).flatten()
    calibration = normalised(random_images(4, 9, 9, 1), model.image())
    source = quantized(model.onnx(), [calibration], tmp_path, small_weights)

    compiler.compile(source, batches=(1,), target="x86-64-v3")

    told = [line for line in compiler.lines if "--overflow-fix all" in line]
    assert len(told) == (0 if small_weights else 1)
