"""Tuned tiles: found, kept in a file, reused, and refused where they do not fit."""

import json
from pathlib import Path

import numpy as np
import pytest

from mlperf_benchmark.core.errors import OutputError, UsageError
from mlperf_benchmark.tvm_compiler.artifact import read_description
from tests.tvm_compiler.conftest import Compiler
from tests.tvm_compiler.graphs import Model, random_images, reference


def model() -> Model:
    return Model(14, 14).conv(48).relu().conv(64, 3, pads=1).relu().classifier(5)


def described(path: Path) -> dict[str, object]:
    return dict(read_description(path).tiles)


def test_a_tuned_model_computes_the_same(compiler: Compiler, tmp_path: Path) -> None:
    tiles = tmp_path / "tiles.json"
    images = random_images(1, 14, 14)

    path = compiler.compile(model().onnx(), batches=(1,), tune=0.01, tiles=tiles)

    scores = compiler.load(path, model().image()).predict(images)
    expected = reference(model().onnx(), images, model().image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    assert any("Tuning: variant 1" in line for line in compiler.lines)
    assert json.loads(tiles.read_text())["format"] == 3


def test_the_tiles_of_a_file_are_used(compiler: Compiler, tmp_path: Path) -> None:
    tiles = tmp_path / "tiles.json"
    compiler.compile(model().onnx(), batches=(1,), tune=0.01, tiles=tiles)
    content = json.loads(tiles.read_text())
    name = (
        "float32 batch 1, 48x14x14 -> float32 64x14x14 kernel 3x3 stride 1x1 dilation 1x1 added 0"
    )
    chosen = {
        "rows": 1,
        "columns": 3,
        "blocks": 2,
        "channels_first": True,
        "prefetch": True,
        "chunk": 0,
    }
    content["tiles"] = {name: chosen}
    tiles.write_text(json.dumps(content))
    images = random_images(2, 14, 14)

    path = compiler.compile(model().onnx(), batches=(1, 2), tiles=tiles)

    assert chosen in described(path).values()
    scores = compiler.load(path, model().image(), max_batch_size=2).predict(images)
    expected = reference(model().onnx(), images, model().image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_tiles_for_another_target_are_refused(compiler: Compiler, tmp_path: Path) -> None:
    tiles = tmp_path / "tiles.json"
    tiles.write_text(json.dumps({"format": 3, "target": "pentium", "tiles": {}}))
    with pytest.raises(UsageError, match=r'tiles\.json holds tiles for "pentium"'):
        compiler.compile(model().onnx(), tiles=tiles)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 3}', '{"tiles": {"a": {"rows": 1}}}'])
def test_a_damaged_file_of_tiles_is_named(content: str, compiler: Compiler, tmp_path: Path) -> None:
    tiles = tmp_path / "tiles.json"
    tiles.write_text(content)
    with pytest.raises(UsageError, match=r"tiles\.json is not a file of tiles"):
        compiler.compile(model().onnx(), tiles=tiles)


def test_an_unwritable_place_for_tiles_is_named(compiler: Compiler, tmp_path: Path) -> None:
    tiles = tmp_path / "missing" / "tiles.json"
    with pytest.raises(OutputError, match=r"missing/tiles\.json"):
        compiler.compile(model().onnx(), batches=(1,), tune=0.01, tiles=tiles)
