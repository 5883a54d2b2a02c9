"""One real comparison with the null profile and a broken model, shared by the tests."""

from pathlib import Path

import pytest

from tests.command import Run
from tests.compare.command import run_compare

MATRIX = """\
title = "Null | <twice>"
rounds = 6
seed = 3
[run]
profile = "null"
queries = 200
cache_dir = "{cache}"
[[variant]]
name = "first"
[[variant]]
name = "second"
[[variant]]
name = "broken"
backend = "openvino"
model = "{cache}/damaged.xml"
[[variant]]
name = "impossible"
not_run = "null has no INT8"
"""


@pytest.fixture(scope="session")
def null_matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matrix")
    (folder / "damaged.xml").write_text("no model", encoding="utf-8")
    file = folder / "null.toml"
    file.write_text(MATRIX.format(cache=folder), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def null_run(null_matrix: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_compare(null_matrix, output=tmp_path_factory.mktemp("null") / "out")
