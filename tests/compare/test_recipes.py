"""Variants that compare.py makes by recipes before it measures them."""

from pathlib import Path

import pytest

from mlperf_benchmark.compare.matrix import Matrix
from mlperf_benchmark.compare.matrix_file import read_matrix
from mlperf_benchmark.core.errors import UsageError
from tests.compare.command import comparison_of, run_compare

RUN = """
rounds = 1
accuracy = false
[run]
backend = "openvino"
dataset = "synthetic"
queries = 2
count = 2
cache_dir = "{cache}"
"""
PREPARE = '[prepare]\nmodel = "efficientnet-lite0"\nweights = "random"\n'
GOOD = '[[recipe]]\nname = "good"\n'


def read(folder: Path, text: str) -> Matrix:
    file = folder / "matrix.toml"
    file.write_text(RUN.format(cache=folder / "cache") + text, encoding="utf-8")
    return read_matrix(file)


def test_recipes_are_made_once_and_a_failed_one_stops_no_other(tmp_path: Path) -> None:
    bad = '[[recipe]]\nname = "bad"\nweights = "nothing.pth"\n'
    read(tmp_path, PREPARE + GOOD + bad)
    first = run_compare(tmp_path / "matrix.toml", output=tmp_path / "first")
    assert first.status == 1
    assert "Making 2 of 2: bad." in first.stdout + first.stderr
    rows = {row.name: row for row in comparison_of(first).rows}
    assert rows["bad"].failure == "There is no weights file nothing.pth."
    assert rows["good"].failure is None
    assert rows["good"].measurements
    table = (tmp_path / "first" / "results.csv").read_text()
    assert "making_seconds" in table.splitlines()[0]

    read(tmp_path, PREPARE + GOOD)
    again = run_compare(tmp_path / "matrix.toml", output=tmp_path / "again")
    assert again.status in (0, 3), again.stderr
    assert "Making" not in again.stdout + again.stderr


def test_what_decides_about_the_file_decides_about_its_place(tmp_path: Path) -> None:
    def place(text: str) -> str:
        return str(read(tmp_path, PREPARE + GOOD + text).variants[0].options["model"])

    images = tmp_path / "images"
    images.mkdir()
    calibrated = f'precision = "int8"\ncalibration_path = "{images}"\n'
    plain, int8 = place(""), place(calibrated)
    assert place("") == plain
    assert len({plain, int8, place("seed = 1"), place(calibrated + 'quantizer = "adaround"')}) == 4
    (images / "new.jpg").write_bytes(b"another image")
    assert place(calibrated) != int8


def test_a_compiled_model_is_made_for_its_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache may be on a disk that several machines read."""

    def places() -> list[str]:
        text = PREPARE + GOOD + '[[recipe]]\nname = "compiled"\nbackend = "tvm"\n'
        return [str(variant.options["model"]) for variant in read(tmp_path, text).variants]

    here = places()
    monkeypatch.setattr("mlperf_benchmark.compare.recipes.cpu_model", lambda: "another")
    there = places()
    assert here[0] == there[0]
    assert here[1] != there[1]


def test_seeds_are_variants(tmp_path: Path) -> None:
    matrix = read(tmp_path, PREPARE + GOOD + "seeds = [0, 7]\n")
    assert [variant.name for variant in matrix.variants] == ["good, seed 0", "good, seed 7"]
    assert len({variant.options["model"] for variant in matrix.variants}) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PREPARE, r"\[prepare\] is for \[\[recipe\]\] tables"),
        (PREPARE + "[[recipe]]\n", "number 1 needs a name"),
        (PREPARE + GOOD + "prun = 0.2", 'Did you mean "prune"'),
        (PREPARE + GOOD + "prune = 2.0", 'recipe "good": --prune 2 is out of range'),
        (PREPARE + GOOD + 'output = "x"', 'Unknown option of prepare.py "output"'),
        (PREPARE + GOOD + 'run = { model = "x.xml" }', "sets model, which the recipe makes"),
        (PREPARE + GOOD + 'seeds = ["a"]', "seeds in"),
        (GOOD + 'weights = "random"', "say which model"),
    ],
)
def test_refusals_name_the_recipe_and_the_cure(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, text)
