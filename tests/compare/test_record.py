"""comparison.json: old ones are read, others refused with a reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlperf_benchmark.compare.record import read_comparison
from tests.compare.command import run_compare
from tests.compare.stored import FIXTURE, stored


def test_version_1_is_shown(tmp_path: Path) -> None:
    run = run_compare("show", FIXTURE)
    assert run.status == 0
    for row in stored().rows:
        assert row.name in run.stdout
    assert "FAILED: No model file" in run.stdout


def test_reading_and_writing_keep_everything() -> None:
    old = json.loads(FIXTURE.read_text(encoding="utf-8")) | {"schema_version": 3}
    new = json.loads(stored().to_json())
    assert kept(new, old) == old


def kept(new: Any, old: Any) -> Any:
    """`new` without the fields that `old` has not."""
    if isinstance(old, dict):
        return {key: kept(new[key], value) for key, value in old.items()}
    if isinstance(old, list):
        return [kept(one, other) for one, other in zip(new, old, strict=True)]
    return new


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "comparison.json"
    file.write_text(stored().to_json(), encoding="utf-8")
    assert read_comparison(file) == stored()


def changed(**changes: Any) -> str:
    return json.dumps(json.loads(FIXTURE.read_text(encoding="utf-8")) | changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed(schema_version=99), "format version 99, this program reads 3: update"),
        (changed(schema_version=0), "format version 0, this program reads 3: run"),
        (changed(rows=None), "is damaged"),
        (changed(rows=[{"name": "x"}]), "is damaged"),
        ('{"scenario": "Offline"}', "the result of a single run of main.py"),
        ("[]", "not a result of compare.py"),
        ("{", "is not JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "comparison.json"
    file.write_text(text, encoding="utf-8")
    run = run_compare("show", file)
    assert run.status == 2
    assert message in run.error
    assert str(file) in run.error


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    run = run_compare("show", tmp_path / "none.json")
    assert run.status == 2
    assert "none.json" in run.error
