"""Winograd convolutions: against ONNX Runtime, against float64, and when they are chosen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.tvm_compiler.artifact import read_description
from mlperf_benchmark.tvm_compiler.target import host_target
from tests.tvm_compiler.conftest import Compiler
from tests.tvm_compiler.graphs import Model, normalised, quantized, random_images, reference

TOGETHER = 1000
"""More tiles than there are: all in one group."""

LARGEST_ERRORS = {"direct": 2e-6, "Winograd F(2x2)": 1e-6, "Winograd F(4x4)": 4e-6}
"""Of 64 channels, relative to the largest output; the compiler's README has those of others."""

Shape = tuple[int, int, int]


def forced(
    folder: Path, tile: dict[str, Any] | None, *cases: tuple[int, Shape, Shape, int]
) -> Path:
    """A file of tiles that has every case, (batch, input, output, addends), computed by `tile`."""
    names = []
    for batch, source, sink, added in cases:
        shapes = ["x".join(str(extent) for extent in shape) for shape in (source, sink)]
        names.append(
            f"float32 batch {batch}, {shapes[0]} -> float32 {shapes[1]}"
            f" kernel 3x3 stride 1x1 dilation 1x1 added {added}"
        )
    content = {"format": 3, "target": host_target().cpu, "tiles": dict.fromkeys(names, tile)}
    path = folder / "forced.json"
    path.write_text(json.dumps(content))
    return path


def winograd(outputs: int, group: int, *, tiles: int = 3, blocks: int = 2) -> dict[str, Any]:
    return {
        "outputs": outputs,
        "tiles": tiles,
        "blocks": blocks,
        "group": group,
        "prefetch": bool(group % 2),
    }


def all_borders() -> Model:
    """Odd extents, channels that fill no block, every kind of padding, and a residual sum."""
    model = Model(13, 9).conv(20).relu()
    model.conv(33, 3, pads=1).relu()
    trunk = model.last
    model.conv(33, 3, pads=1).add("Add", trunk).relu6()
    return model.conv(24, 3).relu().conv(40, 3, pads=(0, 1, 1, 0)).flatten()


@pytest.mark.parametrize(("batch", "group"), [(3, 5), (1, TOGETHER)])
@pytest.mark.parametrize("outputs", [2, 4])
def test_all_borders_equal_onnx_runtime(
    batch: int, outputs: int, group: int, compiler: Compiler, tmp_path: Path
) -> None:
    model = all_borders()
    images = random_images(batch, 13, 9)
    tiles = forced(
        tmp_path,
        winograd(outputs, group),
        (batch, (20, 13, 9), (33, 13, 9), 0),
        (batch, (33, 13, 9), (33, 13, 9), 1),
        (batch, (33, 13, 9), (24, 11, 7), 0),
        (batch, (24, 11, 7), (40, 10, 6), 0),
    )
    path = compiler.compile(model.onnx(), batches=(batch,), tiles=tiles)

    scores = compiler.load(path, model.image(), max_batch_size=batch).predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=5e-5)
    [library] = read_description(path).libraries
    assert library.convolutions == {"direct": 1, f"Winograd F({outputs}x{outputs})": 4}


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("outputs", [2, 4])
def test_other_targets_compute_the_same(
    outputs: int,
    target: str,
    compiler: Compiler,
    tmp_path: Path,
    runnable: Callable[[str], None],
) -> None:
    runnable(target)
    model = Model(10, 10).conv(24).relu().conv(40, 3, pads=1).relu().flatten()
    tile = winograd(outputs, 4, tiles=2, blocks=2)
    tiles = forced(tmp_path, tile, (2, (24, 10, 10), (40, 10, 10), 0))
    content = json.loads(tiles.read_text())
    tiles.write_text(json.dumps(content | {"target": target}))
    images = random_images(2, 10, 10)
    path = compiler.compile(model.onnx(), batches=(2,), tiles=tiles, target=target)

    scores = compiler.load(path, model.image(), max_batch_size=2).predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("method", LARGEST_ERRORS)
def test_errors_against_float64_are_as_documented(
    method: str, compiler: Compiler, tmp_path: Path
) -> None:
    model = Model(28, 28).conv(64).relu().conv(64, 3, pads=1).relu().flatten()
    images = random_images(1, 28, 28)
    options: dict[str, Any] = {"exact_convolutions": True}
    if method != "direct":
        tile = winograd(4 if "4" in method else 2, 14)
        options = {"tiles": forced(tmp_path, tile, (1, (64, 28, 28), (64, 28, 28), 0))}
    path = compiler.compile(model.onnx(), batches=(1,), **options)

    scores = compiler.load(path, model.image()).predict(images)

    expected = in_float64(model, normalised(images, model.image()))
    assert method in read_description(path).libraries[0].convolutions
    error = np.abs(scores - expected).max() / np.abs(expected).max()
    assert error < LARGEST_ERRORS[method]


def in_float64(model: Model, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """The 1x1 and the 3x3 convolution of the model, each with its ReLU."""
    first, bias, second, last = (
        numpy_helper.to_array(constant).astype(float) for constant in model.constants
    )
    middle = np.einsum("oc,nchw->nohw", first[:, :, 0, 0], images.astype(float))
    middle = np.maximum(middle + bias[:, None, None], 0)
    padded = np.pad(middle, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    sums = np.einsum("ocij,nchwij->nohw", second, windows, optimize=True)
    scores: NDArray[np.float64] = np.maximum(sums + last[:, None, None], 0)
    return scores.reshape(len(images), -1)


def methods(path: Path) -> list[dict[str, int]]:
    return [dict(library.convolutions) for library in read_description(path).libraries]


def large() -> Model:
    return Model(28, 28).conv(64).relu().conv(64, 3, pads=1).relu().classifier(5)


def test_the_rule_chooses_fewer_multiplications_where_there_are_many(compiler: Compiler) -> None:
    path = compiler.compile(large().onnx(), batches=(1,))
    [found] = methods(path)
    assert found["direct"] == 2
    assert [name for name in found if name.startswith("Winograd")]
    info = compiler.load(path, large().image()).load()
    assert "Winograd" in info.convolutions
    assert any("Winograd" in line for line in compiler.lines)


def test_exact_convolutions_are_all_direct(compiler: Compiler, tmp_path: Path) -> None:
    """Whatever a file of tiles says."""
    tiles = forced(tmp_path, winograd(4, 14), (1, (64, 28, 28), (64, 28, 28), 0))
    path = compiler.compile(large().onnx(), batches=(1, 2), exact_convolutions=True, tiles=tiles)
    assert methods(path) == [{"direct": 3}] * 2
    info = compiler.load(path, large().image()).load()
    assert info.convolutions == "batch 1: 3 direct"


def test_the_command_line_has_exact_convolutions() -> None:
    command = ["resnet50", "--weights", "random", "--exact-convolutions"]
    compilation = parse([*command, "--backend", "tvm"]).compilation
    assert compilation is not None
    assert compilation.exact_convolutions
    with pytest.raises(UsageError, match="--exact-convolutions applies to --backend tvm only"):
        parse(command)


def test_int8_convolutions_are_direct(compiler: Compiler, tmp_path: Path) -> None:
    model = large()
    calibration = normalised(random_images(2, 28, 28), model.image())
    path = compiler.compile(quantized(model.onnx(), [calibration], tmp_path), batches=(1,))
    assert methods(path) == [{"direct": 3}]


def test_few_tiles_of_many_weights_get_the_smaller_transform(compiler: Compiler) -> None:
    """The 36 points of F(4x4) would wait for memory: four times the weights for four tiles."""
    model = Model(7, 7).conv(256).relu().conv(256, 3, pads=1).relu().classifier(5)
    [found] = methods(compiler.compile(model.onnx(), batches=(1,), threads=2))
    assert "Winograd F(4x4)" not in found
