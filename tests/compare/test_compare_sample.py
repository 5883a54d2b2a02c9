"""A comparison of the real sample model, with accuracy."""

import json
from pathlib import Path

import pytest

from mlperf_benchmark.models.prepare.sample import Sample
from mlperf_benchmark.run.answers import load_answers
from tests.command import Run
from tests.compare.command import comparison_of, run_compare

MATRIX = """\
rounds = 2
metric = "mean"
[run]
profile = "efficientnet-lite0-openvino"
model = "{model}"
dataset_path = "{images}"
cache_dir = "{cache}"
queries = 64
[axes]
scenario = ["SingleStream", "Offline"]
[[variant]]
name = "one thread"
threads = 1
[[variant]]
name = "two threads"
threads = 2
"""


@pytest.fixture(scope="module")
def matrix(sample: Sample, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sample-matrix") / "sample.toml"
    text = MATRIX.format(model=sample.model, images=sample.images, cache=cache_dir)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def run(matrix: Path) -> Run:
    return run_compare(matrix, output=matrix.parent / "out")


def test_rows_tell_what_ran(run: Run) -> None:
    assert run.status == 0
    rows = comparison_of(run).rows
    assert [row.name for row in rows] == ["one thread", "two threads"] * 2
    for row in rows:
        assert row.subject is not None
        assert row.subject.backend["threads"] == (1 if row.name == "one thread" else 2)
        assert row.subject.model is not None
        assert row.subject.model["description"]["precision"] == "fp32"
        assert len(row.measurements) == 2
    assert {row.metric for row in rows} == {"mean", "samples_per_second"}


def test_accuracy_is_measured_once_a_variant_and_cached(
    run: Run, matrix: Path, cache_dir: Path
) -> None:
    rows = comparison_of(run).rows
    assert {row.accuracy and (row.accuracy.good, row.accuracy.total) for row in rows} == {(18, 20)}
    assert {row.accuracy_points for row in rows} == {0.0}
    # Threads do not change an answer, nor do scenarios.
    (kept,) = (cache_dir / "accuracy").iterdir()
    right = load_answers(kept).right
    assert right is not None
    assert int(right.sum()) == 18
    assert run.stdout.count("Accuracy of") == 1
    again = run_compare(matrix, output=run.output)
    assert "Accuracy of" not in again.stdout
    assert comparison_of(again).rows == rows


def test_a_changed_model_is_another_comparison(
    run: Run, matrix: Path, sample: Sample, tmp_path: Path
) -> None:
    plan = run.output / "plan.json"
    known = json.loads(plan.read_text(encoding="utf-8"))
    assert list(known["models"]) == [str(sample.model)]
    plan.write_text(json.dumps(known | {"models": {str(sample.model): "0"}}), encoding="utf-8")
    refused = run_compare(matrix, output=run.output)
    assert refused.status == 2
    assert "a model file has changed" in refused.error


def test_the_table_has_the_columns_of_a_model(run: Run) -> None:
    for part in ("90.0 % (18/20)", "GMACs", "MB", "p99 ms"):
        assert part in run.stdout


def test_a_quick_comparison_from_flags(sample: Sample, cache_dir: Path, tmp_path: Path) -> None:
    done = run_compare(
        *("--profile", "efficientnet-lite0-openvino", "--model", sample.model),
        *("--dataset-path", sample.images, "--cache-dir", cache_dir, "--queries", 64),
        *("--scenario", "SingleStream", "Offline", "--threads", 1, 2),
        *("--rounds", 1, "--no-accuracy"),
        output=tmp_path / "out",
    )
    assert done.status == 0
    comparison = comparison_of(done)
    name = "efficientnet-lite0_fp32"
    assert [(row.name, row.scenario, row.baseline) for row in comparison.rows] == [
        (f"{name}, 1 thread", "SingleStream", True),
        (f"{name}, 2 threads", "SingleStream", False),
        (f"{name}, 1 thread", "Offline", True),
        (f"{name}, 2 threads", "Offline", False),
    ]
    assert all(row.accuracy is None for row in comparison.rows)
    markdown = (done.output / "results.md").read_text(encoding="utf-8")
    assert "too few rounds for an interval" in markdown
