"""Whole runs of tiny models: batches, classes, warnings, and models that break in mid-run."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mlperf_benchmark.images.transforms import VGG
from tests.command import Run
from tests.conftest import Runner
from tests.test_backends import KINDS
from tests.tiny_models import SIZE, Tiny

COUNT = 11
SMALL = {
    "SingleStream": (),
    "MultiStream": ("--samples-per-query", "2"),
    "Server": ("--max-batchsize", "2"),
    "Offline": ("--max-batchsize", "1"),
}


def solid(folder: Path, colours: NDArray[np.uint8], labels: list[int]) -> Path:
    """A data set of images of one colour each."""
    folder.mkdir()
    lines = []
    for number, (colour, label) in enumerate(zip(colours, labels, strict=True)):
        Image.new("RGB", (SIZE, SIZE), tuple(colour.tolist())).save(folder / f"{number}.png")
        lines.append(f"{number}.png {label}\n")
    (folder / "val_map.txt").write_text("".join(lines))
    return folder


def palette(white_last: bool = False) -> NDArray[np.uint8]:
    colours = np.random.default_rng(1).integers(0, 250, (COUNT, 3), dtype=np.uint8)
    if white_last:
        colours[-1] = 255
    return colours


def answers(tiny: Tiny, colours: NDArray[np.uint8]) -> list[int]:
    images = colours[:, None, None, :]
    labels: list[int] = tiny.answers(images, VGG.image.mean, VGG.image.std).tolist()
    return labels


def run(
    benchmark: Runner, model: Path, images: Path, *arguments: object, backend: str = "openvino"
) -> Run:
    return benchmark(
        *("--profile", f"reference-{backend}", "--model", model, "--dataset-path", images),
        *arguments,
    )


@pytest.mark.parametrize(
    ("tiny", "arguments"),
    [
        (Tiny(batch=4), ("--scenario", "Offline", "--max-batchsize", "4")),
        (Tiny(batch=4), ("--scenario", "Server", "--max-batchsize", "3")),
        (Tiny(batch=4), ()),
        (Tiny(batch=-1, layout="NHWC"), ("--scenario", "Server", "--max-batchsize", "4")),
        (Tiny(batch=-1), ("--scenario", "MultiStream", "--max-batchsize", "8")),
    ],
    ids=["fixed Offline", "fixed Server", "fixed SingleStream", "dynamic Server", "MultiStream"],
)
def test_every_batch_gives_every_answer(
    benchmark: Runner, tmp_path: Path, tiny: Tiny, arguments: tuple[str, ...]
) -> None:
    colours = palette()
    images = solid(tmp_path / "images", colours, answers(tiny, colours))
    done = run(benchmark, tiny.save(tmp_path), images, "--accuracy", *arguments)
    assert done.status == 0, done.stderr
    assert done.result["accuracy"] == {"top1": 100.0, "good": COUNT, "total": COUNT}


def test_background_class_shifts_the_answers(benchmark: Runner, tmp_path: Path) -> None:
    """TensorFlow's models of 1001 classes count a background class as number 0."""
    tiny, colours = Tiny(classes=1001), palette()
    images = solid(tmp_path / "images", colours, [label - 1 for label in answers(tiny, colours)])
    done = run(benchmark, tiny.save(tmp_path), images, "--accuracy")
    assert done.result["accuracy"]["good"] == COUNT


def test_labels_that_count_from_one_are_noticed(benchmark: Runner, tmp_path: Path) -> None:
    tiny, colours = Tiny(), palette()
    images = solid(tmp_path / "images", colours, [label + 1 for label in answers(tiny, colours)])
    done = run(benchmark, tiny.save(tmp_path), images, "--accuracy")
    assert done.result["accuracy"]["good"] == 0
    (warning,) = done.result["warnings"]
    assert "adding 1 to every answer" in warning


# ONNX Runtime infers in the caller's thread or in those of a queue.
@pytest.mark.parametrize(
    ("backend", "scenario"),
    [
        *(("openvino", scenario) for scenario in SMALL),
        *(("onnxruntime", scenario) for scenario in ("SingleStream", "Offline")),
    ],
)
def test_model_that_breaks_in_mid_run_ends_it(
    benchmark: Runner, tmp_path: Path, scenario: str, backend: str
) -> None:
    """The runtime's queue tells nobody of a request that failed; LoadGen would wait for ever."""
    tiny, colours = Tiny(batch=-1, fails_on_white=True), palette(white_last=True)
    images = solid(tmp_path / "images", colours, [0] * COUNT)
    done = run(
        benchmark,
        KINDS[backend].save(tiny, tmp_path),
        images,
        "--accuracy",
        "--scenario",
        scenario,
        *SMALL[scenario],
        backend=backend,
    )
    assert done.status == 1
    assert "Reshape" in done.error
    assert done.left_nothing


@pytest.mark.parametrize("backend", KINDS)
def test_model_that_breaks_at_once_ends_the_run(
    benchmark: Runner, tmp_path: Path, backend: str
) -> None:
    images = solid(tmp_path / "images", np.full((1, 3), 255, np.uint8), [0])
    model = KINDS[backend].save(Tiny(batch=-1, fails_on_white=True), tmp_path)
    arguments = ("--scenario", "Offline", "--queries", "10")
    done = run(benchmark, model, images, *arguments, backend=backend)
    assert done.status == 1
    assert "cannot infer" in done.error
    assert done.left_nothing


def test_nan_scores_end_the_run(benchmark: Runner, tmp_path: Path) -> None:
    images = solid(tmp_path / "images", palette(white_last=True), [0] * COUNT)
    model = Tiny(nan_on_white=True).save(tmp_path)
    done = run(benchmark, model, images, "--scenario", "Offline", "--queries", "50")
    assert done.status == 1
    assert "NaN" in done.error
    assert done.left_nothing


@pytest.mark.parametrize("backend", KINDS)
def test_threads_that_the_runtime_does_not_take_are_named(
    benchmark: Runner, tmp_path: Path, backend: str
) -> None:
    images = solid(tmp_path / "images", palette(), [0] * COUNT)
    model = KINDS[backend].save(Tiny(), tmp_path)
    arguments = ("--threads", "9999", "--queries", "64")
    done = run(benchmark, model, images, *arguments, backend=backend)
    used = done.result["backend"]["threads"]
    assert used < 9999
    assert f"--threads 9999 was asked for, but the runtime uses {used}." in done.result["warnings"]


def test_model_is_refused_before_images_are_preprocessed(benchmark: Runner, tmp_path: Path) -> None:
    images = solid(tmp_path / "images", palette(), [0] * COUNT)
    done = run(benchmark, Tiny(classes=999).save(tmp_path), images)
    assert done.status == 2
    assert "1000 (or 1001) classes" in done.error
    assert "Preprocessing" not in done.stderr
    assert done.left_nothing
