"""The layers of a compiled model that a profile tells the times of."""

import numpy as np
import pytest

from mlperf_benchmark.core.layer_profile import (
    CONVERSION,
    CONVOLUTION,
    ELEMENTWISE,
    LINEAR,
    OTHER,
    Layer,
    Profile,
)
from tests.tvm_compiler.conftest import Compiler
from tests.tvm_compiler.graphs import Model, random_images
from tests.tvm_compiler.test_foreign_operators import attention, class_token, concat, tokens

WIDTH, HEADS, TOKENS = 24, 2, 17


def profiled(model: Model, compiler: Compiler, batch: int) -> Profile:
    """With the operators named after what they are, and numbered: "Conv0"."""
    for number, node in enumerate(model.nodes):
        node.name = f"{node.op_type}{number}"
    path = compiler.compile(model.onnx(), batches=(batch,), threads=1)
    backend = compiler.load(path, model.image(), max_batch_size=batch, threads=1)
    return backend.profile(random_images(batch, model.height, model.width), 3)


def kinds(layer: Layer) -> list[str]:
    """The operators of ONNX that a layer computes."""
    return [origin.rstrip("0123456789") for origin in layer.origins]


def layers_of(profile: Profile, operator: str) -> list[Layer]:
    return [layer for layer in profile.layers if kinds(layer)[:1] == [operator]]


@pytest.mark.parametrize("batch", [1, 2])
def test_every_kernel_of_a_transformer_is_named(batch: int, compiler: Compiler) -> None:
    model = concat(Model(4, 4).conv(12), lambda m: m.conv(20), lambda m: m.add("Sin"))
    model = class_token(attention(tokens(model, WIDTH), WIDTH, HEADS), WIDTH)

    profile = profiled(model, compiler, batch)

    assert profile.seconds.shape == (3, len(profile.layers))
    assert np.all(profile.seconds > 0)
    unnamed = [layer for layer in profile.layers if not layer.origins]
    assert {layer.kind for layer in unnamed[1:]} == {CONVERSION}
    assert (unnamed[0].kind, unnamed[0].name) == (ELEMENTWISE, "image_3x4x4")

    assert [layer.name.partition("_")[0] for layer in layers_of(profile, "Concat")] == [
        "join",
        "rearrange",
    ]
    [sine] = layers_of(profile, "Sin")
    assert (sine.kind, sine.kernel) == (OTHER, "default schedule of sin")
    assert [layer.name.partition("_")[0] for layer in layers_of(profile, "LayerNormalization")] == [
        "norm"
    ] * 2
    [scores] = [layer for layer in profile.layers if layer.name.startswith("attention")]
    assert set(kinds(scores)) == {"MatMul", "Softmax"}
    assert len(scores.origins) == 3
    assert scores.macs == batch * 2 * TOKENS * TOKENS * WIDTH
    linear = [layer.macs for layer in profile.layers if layer.kind == LINEAR]
    assert linear == [
        batch * TOKENS * WIDTH * 3 * WIDTH,
        batch * TOKENS * WIDTH * WIDTH,
        batch * WIDTH * 7,
    ]


def test_grouped_and_gated_convolutions_are_told(compiler: Compiler) -> None:
    model = Model(8, 8).conv(32).add("Sigmoid").add("Mul", "t0").conv(32, 3, pads=1, group=4)
    profile = profiled(model.classifier(5), compiler, 2)
    first, grouped = layers_of(profile, "Conv")
    assert sorted(kinds(first)) == ["Conv", "Mul", "Sigmoid"]
    assert (grouped.kind, grouped.macs) == (CONVOLUTION, 2 * 64 * 32 * 8 * 9)
    assert grouped.name.startswith("grouped")


def test_layouts_around_what_is_left_to_tvm_are_conversions(compiler: Compiler) -> None:
    """Tokens are transposed on their way there and back."""
    model = Model(4, 6).conv(20)
    model.add("Reshape", model.constant([0, 20, 24], np.int64)).add("Transpose", perm=[0, 2, 1])
    model.add("Sin").add("MatMul", model.constant(model.random.normal(size=(20, 7)))).flatten()
    profile = profiled(model, compiler, 2)
    [sine] = layers_of(profile, "Sin")
    place = profile.layers.index(sine)
    before, after = profile.layers[place - 4 : place], profile.layers[place + 1 : place + 4]
    assert {layer.kind for layer in before + after} == {CONVERSION}
    for part in (before, after):
        assert any(layer.name.startswith("transpose") for layer in part)
