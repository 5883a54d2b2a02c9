"""The operators of other architectures over a grid of shapes against ONNX Runtime."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from tests.tvm_compiler.conftest import Compiler
from tests.tvm_compiler.graphs import Model, normalised, quantized, random_images, reference

Builder = Callable[[], Model]


def gated(model: Model, kind: str, **attributes: object) -> Model:
    """x * f(x)."""
    source = model.last
    return model.add(kind, **attributes).add("Mul", source)


def gelu(model: Model) -> Model:
    """As exporters write it before opset 20."""
    source = model.last
    model.add("Div", model.constant(np.sqrt(2.0))).add("Erf").add("Add", model.constant(1.0))
    return model.add("Mul", source).add("Mul", model.constant(0.5))


def quick_gelu(model: Model) -> Model:
    source = model.last
    return model.add("Mul", model.constant(1.702)).add("Sigmoid").add("Mul", source)


def bounded(model: Model) -> Model:
    return model.add("Max", model.constant(-0.5)).add("Min", model.constant(0.7))


def squeeze_excite(model: Model, middle: int, gate: str = "Sigmoid") -> Model:
    trunk, channels = model.last, model.channels
    model.add("GlobalAveragePool").conv(middle).relu().conv(channels).add(gate)
    return model.add("Mul", trunk)


def spatial_gate(model: Model) -> Model:
    """One number for all channels of a pixel."""
    trunk, channels = model.last, model.channels
    model.conv(1).add("Sigmoid").add("Mul", trunk)
    model.channels = channels
    return model


def concat(model: Model, *branches: Callable[[Model], Model]) -> Model:
    trunk, channels = model.last, model.channels
    names, total = [], 0
    for branch in branches:
        model.last, model.channels = trunk, channels
        branch(model)
        names.append(model.last)
        total += model.channels
    model.last, model.channels = names[0], total
    return model.add("Concat", *names[1:], axis=1)


def summed(model: Model) -> Model:
    """Three values in one sum."""
    trunk, channels = model.last, model.channels
    first = model.relu().last
    model.last = trunk
    second = model.conv(channels).last
    model.last = trunk
    return model.add("Sum", first, second)


def scaled(model: Model) -> Model:
    return model.add("Mul", model.constant(model.random.normal(size=(model.channels, 1, 1))))


def part(model: Model, first: int, count: int) -> Model:
    """Channels from `first` on."""
    numbers = [model.constant([n], np.int64) for n in (first, first + count, 1)]
    model.channels = count
    return model.add("Slice", *numbers)


def parted(model: Model) -> Model:
    """The second half, of a split that names no sizes."""
    names = ["first half", "second half"]
    model.nodes.append(helper.make_node("Split", [model.last], names, axis=1))
    model.last, model.channels = names[1], model.channels // 2
    return model


def reshape(model: Model, *shape: int) -> Model:
    return model.add("Reshape", model.constant(shape, np.int64))


def shuffle(model: Model, groups: int) -> Model:
    size = (model.height, model.width)
    reshape(model, 0, groups, model.channels // groups, *size)
    model.add("Transpose", perm=[0, 2, 1, 3, 4])
    return reshape(model, 0, model.channels, *size)


def layer_norm(model: Model, channels: int) -> Model:
    scale = model.constant(model.random.uniform(0.5, 2, channels))
    shift = model.constant(model.random.normal(size=channels))
    model.opset = 17
    return model.add("LayerNormalization", scale, shift, axis=-1, epsilon=1e-6)


def layer_norm_in_parts(model: Model, channels: int) -> Model:
    """As exporters write it before opset 17."""
    source = model.last
    mean = model.add("ReduceMean", axes=[-1]).last
    model.last = source
    centred = model.add("Sub", mean).last
    model.add("Pow", model.constant(2.0)).add("ReduceMean", axes=[-1])
    root = model.add("Add", model.constant(1e-6)).add("Sqrt").last
    model.last = centred
    model.add("Div", root).add("Mul", model.constant(model.random.uniform(0.5, 2, channels)))
    return model.add("Add", model.constant(model.random.normal(size=channels)))


def linear(model: Model, inputs: int, outputs: int) -> Model:
    weights = model.random.normal(size=(inputs, outputs)) / np.sqrt(inputs)
    model.add("MatMul", model.constant(weights))
    return model.add("Add", model.constant(model.random.normal(size=outputs)))


def channels_last(model: Model) -> Model:
    """ConvNeXt's block: normalisation and two linear layers on (N, H, W, C)."""
    trunk, channels = model.last, model.channels
    model.depthwise(7, pads=3).add("Transpose", perm=[0, 2, 3, 1])
    gelu(linear(layer_norm(model, channels), channels, 2 * channels))
    linear(model, 2 * channels, channels)
    model.add("Mul", model.constant(model.random.normal(size=channels)))
    return model.add("Transpose", perm=[0, 3, 1, 2]).add("Add", trunk)


def tokens(model: Model, width: int) -> Model:
    """(N, C, H, W) to (N, 1 + tokens, C): patches with a token of the class, and positions."""
    count = model.height * model.width + 1
    reshape(model.conv(width), 0, width, -1).add("Transpose", perm=[0, 2, 1])
    patches = model.last
    model.last = "input"
    model.add("Shape").add("Slice", *(model.constant([n], np.int64) for n in (0, 1)))
    shape = model.add("Concat", model.constant([1, width], np.int64), axis=0).last
    model.last = model.constant(model.random.normal(size=(1, 1, width)))
    model.add("Expand", shape).add("Concat", patches, axis=1)
    return model.add("Add", model.constant(model.random.normal(size=(1, count, width))))


def attention(model: Model, width: int, heads: int) -> Model:
    trunk, size = model.last, width // heads
    linear(layer_norm(model, width), width, 3 * width)
    reshape(model, 0, -1, 3, heads, size).add("Transpose", perm=[2, 0, 3, 1, 4])
    joint = model.last
    names = []
    for number in range(3):
        model.last = joint
        names.append(model.add("Gather", model.constant(number, np.int64), axis=0).last)
    model.last = names[0]
    model.add("Mul", model.constant(size**-0.5))
    query, model.last = model.last, names[1]
    key = model.add("Transpose", perm=[0, 1, 3, 2]).last
    model.last = query
    model.add("MatMul", key).add("Softmax", axis=-1).add("MatMul", names[2])
    reshape(model.add("Transpose", perm=[0, 2, 1, 3]), 0, -1, width)
    return linear(model, width, width).add("Add", trunk)


def class_token(model: Model, width: int) -> Model:
    layer_norm(model, width).add("Gather", model.constant(0, np.int64), axis=1)
    return linear(model, width, 7)


CASES: dict[str, Builder] = {
    "SiLU": lambda: gated(Model(9, 9).conv(24), "Sigmoid").conv(20, 3, pads=1),
    "SiLU read twice": lambda: squeeze_excite(gated(Model(6, 6).conv(24), "Sigmoid"), 8),
    "tanh": lambda: Model(7, 5).conv(20).add("Tanh").conv(16),
    "hard-swish": lambda: gated(
        Model(9, 9).conv(24), "HardSigmoid", alpha=1 / 6, beta=0.5
    ).depthwise(3, pads=1),
    "HardSwish": lambda: Model(7, 7, opset=14).conv(24).add("HardSwish").conv(8),
    "GELU": lambda: gelu(Model(9, 9).conv(24)).conv(16),
    "Gelu by tanh": lambda: Model(9, 9, opset=20).conv(24).add("Gelu", approximate="tanh"),
    "quick GELU": lambda: quick_gelu(Model(5, 9).conv(24)).conv(16),
    "leaky ReLU": lambda: Model(6, 6).conv(24).add("LeakyRelu", alpha=0.1).conv(8),
    "limits as attributes": lambda: (
        Model(6, 6, opset=10).conv(24).add("Clip", min=0.0, max=6.0).conv(8).add("Clip", max=0.5)
    ),
    "limits as operators": lambda: bounded(Model(6, 6).conv(24)).conv(8),
    "sum of three": lambda: summed(Model(6, 6).conv(24)).conv(8),
    "squeeze and excitation": lambda: squeeze_excite(Model(9, 9).conv(24).relu(), 6).conv(16),
    "SE with hard sigmoid": lambda: squeeze_excite(
        Model(7, 7).conv(40), 12, "HardSigmoid"
    ).depthwise(5, pads=2),
    "gate of one channel": lambda: spatial_gate(Model(6, 6).conv(40).relu()).conv(16),
    "grouped 3x3, 4 of 8": lambda: Model(9, 9).conv(32).relu().conv(32, 3, pads=1, group=4),
    "grouped 3x3, 7 of 8": lambda: Model(9, 9).conv(56).relu().conv(56, 3, 2, 1, group=7),
    "grouped 3x3, 5 of 24": lambda: Model(7, 7).conv(120).relu().conv(120, 3, pads=1, group=5),
    "grouped 1x1, 2 of 32": lambda: Model(7, 7).conv(64).relu().conv(96, group=2),
    "grouped, others out than in": lambda: Model(8, 8).conv(32).relu().conv(64, 3, 2, 1, group=4),
    "depthwise, two each": lambda: Model(8, 8).conv(24).relu().conv(48, 3, pads=1, group=24),
    "concat of whole blocks": lambda: concat(
        Model(7, 7).conv(16), lambda m: m.conv(32), lambda m: m.conv(16).relu()
    ).conv(24, 3, pads=1),
    "concat of uneven parts": lambda: concat(
        Model(7, 7).conv(12), lambda m: m.conv(20), lambda m: m.relu(), lambda m: m.conv(9)
    ).conv(24),
    "concat, then a scale and ReLU": lambda: (
        scaled(concat(Model(7, 7).conv(16), lambda m: m.conv(32), lambda m: m.relu()))
        .relu()
        .conv(16)
    ),
    "split of channels": lambda: concat(
        Model(6, 6).conv(58),
        lambda m: part(m, 29, 29),
        lambda m: part(m, 0, 29).conv(29).relu(),
    ).conv(16),
    "equal parts": lambda: concat(Model(6, 6).conv(40), parted).conv(16),
    "shuffle": lambda: shuffle(Model(6, 6).conv(58).relu(), 2).conv(20),
    "shuffle of a concat, split": lambda: part(
        shuffle(concat(Model(6, 6).conv(20), lambda m: m.conv(20), lambda m: m.relu()), 2), 20, 20
    ).conv(16),
    "average pool 2x2": lambda: (
        Model(8, 8).conv(20).add("AveragePool", kernel_shape=(2, 2), strides=(2, 2)).conv(16)
    ),
    "average pool over padding": lambda: (
        Model(9, 9)
        .conv(20)
        .add(
            "AveragePool",
            kernel_shape=(3, 3),
            strides=(2, 2),
            pads=(1, 1, 1, 1),
            count_include_pad=1,
        )
    ),
    "average pool beside padding": lambda: (
        Model(9, 9).conv(20).add("AveragePool", kernel_shape=(3, 3), pads=(1, 1, 1, 1)).conv(16)
    ),
    "pools that round up": lambda: (
        Model(10, 10)
        .conv(20)
        .relu()
        .add("MaxPool", kernel_shape=(3, 3), strides=(2, 2), ceil_mode=1)
        .add("AveragePool", kernel_shape=(2, 2), strides=(2, 2), ceil_mode=1)
    ),
    "normalisation and linear layers, channels last": lambda: channels_last(Model(8, 6).conv(24)),
    "normalisation in parts": lambda: linear(
        layer_norm_in_parts(tokens(Model(4, 6), 40), 40), 40, 20
    ),
    "attention with heads of 16": lambda: class_token(
        attention(tokens(Model(5, 4), 48), 48, 3), 48
    ),
    "attention with heads of 12": lambda: class_token(
        attention(tokens(Model(4, 4), 24), 24, 2), 24
    ),
    "attention of a column": lambda: class_token(attention(tokens(Model(5, 1), 24), 24, 2), 24),
    "mean of tokens": lambda: linear(
        attention(tokens(Model(6, 6), 32), 32, 1).add("ReduceMean", axes=[1], keepdims=0), 32, 5
    ),
    "a part of the image": lambda: (
        Model(8, 8).conv(16).add("Transpose", perm=[0, 1, 3, 2]).conv(16, 3, pads=1)
    ),
    "space to depth": lambda: concat(
        Model(8, 8).conv(20), lambda m: strided(m, 0), lambda m: strided(m, 1)
    ).conv(16),
}


def strided(model: Model, first: int) -> Model:
    """Every other row and column."""
    numbers = ([first, first], [100, 100], [2, 3], [2, 2])
    return model.add("Slice", *(model.constant(row, np.int64) for row in numbers))


ALONE = (
    *("squeeze and excitation", "shuffle of a concat, split", "attention with heads of 16"),
    *("attention with heads of 12", "mean of tokens", "concat of uneven parts"),
    "attention of a column",
)
"""Where one image is another matter than several."""


@pytest.mark.parametrize(
    ("case", "batch"), [*((case, 3) for case in CASES), *((case, 1) for case in ALONE)]
)
def test_float32_equals_onnx_runtime(case: str, batch: int, compiler: Compiler) -> None:
    model = CASES[case]().flatten()
    images = random_images(batch, model.height, model.width)
    path = compiler.compile(model.onnx(), batches=(batch,))

    scores = compiler.load(path, model.image(), max_batch_size=batch).predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=2e-4, atol=5e-5)
    assert not any("No schedule" in line for line in compiler.lines)


QUANTIZED = (
    *("SiLU", "squeeze and excitation", "hard-swish", "grouped 3x3, 4 of 8"),
    *("grouped 3x3, 5 of 24", "concat of uneven parts", "average pool beside padding", "shuffle"),
)


@pytest.mark.parametrize("case", QUANTIZED)
def test_int8_equals_onnx_runtime(case: str, compiler: Compiler, tmp_path: Path) -> None:
    model = CASES[case]().flatten()
    images = random_images(2, model.height, model.width)
    calibration = [normalised(random_images(4, model.height, model.width, 1), model.image())]
    integer = quantized(model.onnx(), calibration, tmp_path)
    path = compiler.compile(integer, batches=(2,))

    scores = compiler.load(path, model.image(), max_batch_size=2).predict(images)

    expected = reference(integer, images, model.image())
    np.testing.assert_allclose(scores, expected, atol=0.03 * np.abs(expected).max(), rtol=0)
    assert not any("No schedule" in line for line in compiler.lines)
