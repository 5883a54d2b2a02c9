"""Models of a fixed batch: used as they are where the scenario allows it, and told of where not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.padding import Padding, padding_warning
from mlperf_benchmark.run.resolve import resolve
from tests.command import Run
from tests.conftest import Runner
from tests.test_warnings import info
from tests.tiny_models import SIZE, Tiny

BATCH = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of batch 4 and five images."""
    folder = tmp_path_factory.mktemp("fixed-batch")
    Tiny(batch=BATCH).save(folder)
    for number in range(5):
        pixels = np.full((SIZE, SIZE, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    lines = [f"{number}.png 0\n" for number in range(5)]
    (folder / "val_map.txt").write_text("".join(lines))
    return folder


def run(benchmark: Runner, folder: Path, *arguments: object) -> Run:
    return benchmark(
        *("--profile", "reference-openvino", "--model", folder / "tiny.xml"),
        *("--dataset-path", folder, *arguments),
    )


def test_the_models_own_batch_is_the_default(benchmark: Runner, folder: Path) -> None:
    done = run(benchmark, folder, "--scenario", "Offline", "--queries", 400)
    assert done.status == 0, done.stderr
    assert done.result["backend"]["max_batch_size"] == BATCH
    assert done.result["backend"]["batch_is_fixed"]
    assert done.result["padded_images"] == 0
    assert done.result["warnings"] == []
    assert "Padding" not in done.stdout


def test_padding_of_single_images_is_counted_and_its_way_out_named(
    benchmark: Runner, folder: Path
) -> None:
    done = run(benchmark, folder, "--queries", 70)
    assert done.result["padded_images"] == 70 * (BATCH - 1)
    (warning,) = done.result["warnings"]
    assert warning.startswith("210 of 280 computed images only filled up batches")
    assert "the work of 4.00 images" in warning
    assert "export it with a dynamic batch, or measure it with --scenario Offline" in warning
    assert "Padding     210 images" in done.stdout
    assert warning in done.stdout


def test_padding_of_queries_is_counted(benchmark: Runner, folder: Path) -> None:
    """Six samples are one full batch and two of the next."""
    done = run(
        *(benchmark, folder, "--scenario", "MultiStream"),
        *("--samples-per-query", 6, "--queries", 20),
    )
    assert done.result["padded_images"] == 40
    assert any("--samples-per-query a multiple of 4" in text for text in done.result["warnings"])


def test_an_accuracy_run_is_not_slow_by_padding(benchmark: Runner, folder: Path) -> None:
    done = run(benchmark, folder, "--scenario", "Offline", "--accuracy")
    assert done.result["padded_images"] == 3
    assert not any("filled up batches" in text for text in done.result["warnings"])


@pytest.mark.parametrize(
    ("line", "changes", "cure"),
    [
        ("--scenario Server", {"batch_is_fixed": True}, "raise --qps"),
        ("--scenario Offline", {"batch_is_fixed": True}, "--queries a multiple of 8"),
        ("--scenario Offline --max-batchsize 3", {"batch_is_fixed": True}, "--max-batchsize out"),
        ("--scenario Server --max-batchsize 3", {"batch_is_fixed": True}, "--max-batchsize out"),
        ("--scenario MultiStream --max-batchsize 8", {}, "--max-batchsize that divides"),
        ("", {"batch_is_fixed": True, "name": "tvm"}, "prepare.py --batches 1,8"),
    ],
)
def test_each_scenario_has_its_way_out(line: str, changes: dict[str, Any], cure: str) -> None:
    arguments = ["--backend", "openvino", "--dataset", "synthetic", "--model", "m.xml"]
    config = resolve(parse([*arguments, *line.split()]))
    backend = info(max_batch_size=8, **changes)
    (warning,) = padding_warning(config, backend, Padding(padded=300, answered=100))
    assert cure in warning
    assert padding_warning(config, backend, Padding(padded=1, answered=100)) == []
