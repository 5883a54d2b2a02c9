"""What `prepare.py` says of ways to prune: beforehand, while at it, and in the description."""

import shutil
from pathlib import Path

import pytest

from mlperf_benchmark.models.files.description import Pruning, read_description
from mlperf_benchmark.models.optimize.config import CRITERIA, SCOPES
from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.models.prepare.preparer import prepare_model
from mlperf_benchmark.models.prepare.sample import Sample
from tests.models.small_nets import register_small
from tests.models.test_prepare import command


def test_methods_are_listed_with_their_papers_whatever_else_is_missing() -> None:
    result = command("prepare.py", "--list-methods")
    assert result.returncode == 0, result.stderr
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line.startswith("  ")}
    assert {*CRITERIA.names(), *SCOPES.names()} <= set(lines)
    assert all("https://" in lines[name] for name in CRITERIA.names() if name != "random")
    assert "--reconstruct" in result.stdout


def prune_small(output: Path, *options: str | Path) -> Pruning:
    arguments = [register_small(), "--weights=random", "--prune=0.2", "--round-to=1"]
    model = prepare_model(parse([*arguments, f"--output={output}", *map(str, options)]))
    description = read_description(model)
    assert description is not None
    assert description.pruning is not None
    return description.pruning


def test_description_says_how_and_with_what_it_was_pruned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--prune-method=obs", "--prune-scope=fisher", "--reconstruct")
    pruning = prune_small(tmp_path, *options, "--calibration-count=20")
    assert (pruning.method, pruning.scope, pruning.reconstruct) == ("obs", "fisher", True)
    assert pruning.batch_norm.count == 20
    assert pruning.gradients_from == ("own answers",)
    assert pruning.seconds is not None
    assert pruning.seconds > 0
    assert "the unpruned model's own answers" in capsys.readouterr().err


def test_gradients_are_taken_towards_labels_where_there_are_some(
    tmp_path: Path, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    images = (f"--calibration-path={sample.images}", f"--cache-dir={tmp_path / 'cache'}")
    labelled = prune_small(tmp_path / "labelled", "--prune-method=taylor", *images)
    assert labelled.gradients_from == ("labels",)
    assert "towards the labels of the calibration images" in capsys.readouterr().err

    unlabelled = tmp_path / "unlabelled"
    unlabelled.mkdir()
    for file in sample.images.iterdir():
        if file.suffix != ".txt":
            shutil.copy(file, unlabelled)
    images = (f"--calibration-path={unlabelled}", f"--cache-dir={tmp_path / 'cache'}")
    pruning = prune_small(tmp_path / "own", "--prune-method=taylor", *images)
    assert pruning.gradients_from == ("own answers",)
    assert "as the calibration images have no labels" in capsys.readouterr().err


def test_weights_alone_need_no_gradients(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prune_small(tmp_path, "--prune-method=l1").gradients_from == ()
    assert "radients" not in capsys.readouterr().err
