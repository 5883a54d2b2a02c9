"""The sample model beyond its own 20 images: real accuracy, descriptions, variants of a run."""

import dataclasses
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlperf_benchmark.models.files.description import Weights, read_description, write_description
from mlperf_benchmark.models.prepare.sample import Sample
from mlperf_benchmark.run.answers import load_answers
from tests.command import ROOT, command, environment, run_main
from tests.conftest import Runner


@pytest.fixture
def copied_model(sample: Sample, tmp_path: Path) -> Path:
    """A copy of the sample's model that a test may spoil."""
    for file in sample.model.parent.glob(f"{sample.model.stem}.*"):
        shutil.copy(file, tmp_path)
    return tmp_path / sample.model.name


def options(model: Path, sample: Sample) -> tuple[object, ...]:
    profile = ("--profile", "efficientnet-lite0-openvino")
    return (*profile, "--model", model, "--dataset-path", sample.images)


def test_random_weights_get_a_warning_and_no_accuracy(
    benchmark: Runner, copied_model: Path, sample: Sample
) -> None:
    description = read_description(copied_model)
    assert description is not None
    random = dataclasses.replace(description, weights=Weights("random", None, 7))
    write_description(copied_model, random)
    done = benchmark(*options(copied_model, sample), "--accuracy")
    assert done.status == 0
    assert done.result["accuracy"] is None
    assert done.result["model"]["description"]["weights"]["seed"] == 7
    (warning,) = done.result["warnings"]
    assert "random" in warning
    assert "accuracy means nothing" in done.stdout
    assert "%" not in done.stdout
    answers = load_answers(done.output / "answers.npz")
    assert (len(answers.classes), answers.labels) == (20, None)
    # A performance run in its place leaves no answers of another run.
    again = benchmark(*options(copied_model, sample), "--queries", 10, "--overwrite")
    assert again.result["mode"] == "performance"
    assert not (again.output / "answers.npz").exists()


def test_model_without_a_description_runs(
    benchmark: Runner, copied_model: Path, sample: Sample
) -> None:
    copied_model.with_name(f"{copied_model.name}.json").unlink()
    done = benchmark(*options(copied_model, sample), "--accuracy")
    assert done.result["model"]["description"] is None
    assert done.result["accuracy"]["total"] == 20


def test_file_that_is_not_the_described_one_is_refused(
    benchmark: Runner, copied_model: Path, sample: Sample
) -> None:
    weights = copied_model.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    done = benchmark(*options(copied_model, sample))
    assert done.status == 2
    assert weights.name in done.error
    assert done.left_nothing


def test_first_images_only(benchmark: Runner, sample: Sample) -> None:
    done = benchmark(*options(sample.model, sample), "--accuracy", "--count", "5")
    assert done.result["accuracy"]["total"] == 5
    assert done.result["dataset"]["count"] == 5
    assert sorted({entry["qsl_idx"] for entry in done.answers}) == [0, 1, 2, 3, 4]


def test_threads_and_streams_are_in_the_result(benchmark: Runner, sample: Sample) -> None:
    done = benchmark(
        *options(sample.model, sample),
        *("--scenario", "Offline", "--threads", "1", "--streams", "1", "--queries", "20"),
    )
    backend = done.result["backend"]
    assert (backend["threads"], backend["streams"], backend["requests"]) == (1, 1, 2)


def test_two_runs_at_once_share_a_cache(sample: Sample, tmp_path: Path) -> None:
    arguments = (*options(sample.model, sample), "--accuracy", "--cache-dir", tmp_path / "cache")
    with ThreadPoolExecutor() as pool:
        runs = list(
            pool.map(lambda name: run_main(*arguments, output=tmp_path / name), ("one", "two"))
        )
    assert [run.status for run in runs] == [0, 0], [run.stderr for run in runs]
    assert runs[0].result["accuracy"] == runs[1].result["accuracy"]


def test_progress_is_shown_on_a_terminal(tmp_path: Path, terminal: tuple[int, int]) -> None:
    """And wiped out in the end."""
    mine, theirs = terminal
    arguments = ("--profile", "null", "--time", "2.5", "--output", tmp_path / "output")
    with subprocess.Popen(
        command(arguments),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = bytearray()
        while True:
            try:
                part = os.read(mine, 1 << 16)
            except OSError:  # how Linux tells that the other end is closed
                break
            if not part:
                break
            shown += part
    os.close(mine)
    text = shown.decode()
    assert process.returncode == 0
    assert re.search(r"\d s of about 2 s", text)
    assert "samples answered" in text
    assert text.endswith("\r\x1b[K")
