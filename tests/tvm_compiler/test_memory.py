"""Where a compiled model's weights and values lie, in its file and in memory."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mlperf_benchmark.tvm_compiler.arena import Life, offsets
from mlperf_benchmark.tvm_compiler.artifact import read_description
from tests.tvm_compiler.conftest import Compiler
from tests.tvm_compiler.graphs import Model, random_images, reference
from tests.tvm_compiler.test_backend import weight_bytes
from tests.tvm_compiler.test_winograd import forced, methods, winograd

MIB = 1 << 20


def test_values_that_are_needed_together_lie_apart_and_others_share() -> None:
    random = np.random.default_rng(0)
    lives = []
    for first in range(40):
        size, steps = random.integers(1, 5000), random.integers(0, 6)
        lives.append(Life(int(size), first, int(first + steps)))

    places = offsets(lives)

    for (one, start), (other, begin) in combinations(zip(lives, places, strict=True), 2):
        apart = start + one.size <= begin or begin + other.size <= start
        assert apart or one.last < other.first or other.last < one.first
    assert max(p + life.size for p, life in zip(places, lives, strict=True)) < 40 * 5000 / 3


def test_batches_share_weights_that_they_transform_differently(
    compiler: Compiler, tmp_path: Path
) -> None:
    model = Model(8, 8).conv(32).relu().conv(32, 3, pads=1).relu().classifier(5)
    shape = (32, 8, 8)
    tiles = forced(tmp_path, winograd(2, 4), (1, shape, shape, 0), (3, shape, shape, 0))
    tiles.write_text(tiles.read_text().replace('"outputs": 2', '"outputs": 4', 1))
    images = random_images(4, 8, 8)

    path = compiler.compile(model.onnx(), batches=(1, 3), tiles=tiles)

    assert [set(found) - {"direct"} for found in methods(path)] == [
        {"Winograd F(4x4)"},
        {"Winograd F(2x2)"},
    ]
    direct = compiler.compile(model.onnx(), batches=(1,), exact_convolutions=True)
    assert weight_bytes(path) == weight_bytes(direct)
    scores = compiler.load(path, model.image(), max_batch_size=4).predict(images)
    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=5e-5)


def test_equal_weights_of_other_shapes_are_others(compiler: Compiler, tmp_path: Path) -> None:
    model = Model(8, 8).conv(16).relu()
    for shape in ((32, 16, 3, 3), (16, 32, 3, 3)):
        weights = model.constant(np.full(shape, 0.01))
        model.add("Conv", weights, kernel_shape=(3, 3), pads=(1, 1, 1, 1))
    model.flatten()
    cases = ((1, (16, 8, 8), (32, 8, 8), 0), (1, (32, 8, 8), (16, 8, 8), 0))
    path = compiler.compile(
        model.onnx(), batches=(1,), tiles=forced(tmp_path, winograd(4, 4), *cases)
    )
    images = random_images(1, 8, 8)

    scores = compiler.load(path, model.image()).predict(images)

    assert methods(path) == [{"direct": 1, "Winograd F(4x4)": 2}]
    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=5e-5)


def test_weights_and_values_lie_in_huge_pages(compiler: Compiler) -> None:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text():
        pytest.skip("this system has no huge pages")
    model = Model(56, 56).conv(512).relu().conv(2048).relu().classifier(5)
    path = compiler.compile(model.onnx(), batches=(1,))
    before = huge_bytes()
    compiler.load(path, model.image())
    [library] = read_description(path).libraries
    working = library.working.bytes(threads=2)
    assert working > 16 * MIB
    assert huge_bytes() - before >= working - 4 * MIB


def huge_bytes() -> int:
    """Of this process."""
    found = re.findall(r"^AnonHugePages: +(\d+) kB$", Path("/proc/self/smaps").read_text(), re.M)
    return sum(map(int, found)) * 1024
