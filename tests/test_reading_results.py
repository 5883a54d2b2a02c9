"""results.json is written and read by one definition; what is wrong in it is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.run.result import read_result
from tests.command import run_main

NO_RESULT = "is not a result of main.py: "


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results.json of a run of the null backend."""
    run = run_main(
        *("--profile", "null", "--queries", 100), output=tmp_path_factory.mktemp("run") / "output"
    )
    assert run.status == 0, run.stderr
    return run.output / "results.json"


@pytest.fixture
def read(written: Path, tmp_path: Path) -> Callable[..., Any]:
    """Reads the file with fields changed, and others left out."""

    def read_changed(changes: dict[str, Any], left_out: tuple[str, ...] = ()) -> Any:
        content = json.loads(written.read_text(encoding="utf-8")) | changes
        kept = {name: value for name, value in content.items() if name not in left_out}
        file = tmp_path / "results.json"
        file.write_text(json.dumps(kept), encoding="utf-8")
        return read_result(file)

    return read_changed


def test_what_is_read_is_what_was_written(written: Path) -> None:
    assert read_result(written).to_json() == written.read_text(encoding="utf-8")


def test_files_of_early_versions_are_read(written: Path, read: Callable[..., Any]) -> None:
    """They lack what came later, and have an option that has gone."""
    now = json.loads(written.read_text(encoding="utf-8"))
    later = {"network", "model_cache", "execution_provider", "queries_per_turn", "tests_per_run"}
    config = {name: value for name, value in now["config"].items() if name not in later}
    dataset = {name: value for name, value in now["dataset"].items() if name != "fingerprint"}
    old = {"config": config | {"debug": False}, "dataset": dataset}
    result = read(old, ("padded_images", "cold_start", "memory"))
    assert result.config == read_result(written).config
    assert (result.padded_images, result.cold_start, result.dataset.fingerprint) == (0, None, "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"queries": "100"}, f"{NO_RESULT}expected int | null, got str - at $.queries"),
        ({"latency_ms": {"p50": None}}, f"{NO_RESULT}expected float, got null - at "),
        ({"config": []}, f"{NO_RESULT}expected object, got array - at $.config"),
        ({"config": {"threads": 1}}, f"{NO_RESULT}expected str, got null - at $.config.profile"),
        ({"model": {"path": "m"}}, f"{NO_RESULT}object missing required field sha256"),
        ({"backend": {}}, f"{NO_RESULT}object missing required field name - at $.backend"),
        ({"schema_version": 2}, "has schema 2 instead of 1: run it again"),
        ({"rows": []}, "belongs to a comparison"),
    ],
)
def test_what_is_wrong_is_named(
    read: Callable[..., Any], tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(RunError) as caught:
        read(changes)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'results.json'} {said}")
    assert "\n" not in text


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", "[" * 100_000])
def test_what_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "results.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match="is not a result of"):
        read_result(file)
