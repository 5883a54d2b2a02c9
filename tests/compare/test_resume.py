"""Finished rounds are kept, whatever ends the comparison."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.command import ROOT, Run, command, environment
from tests.compare.command import COMPARE, comparison_of, run_compare

PATIENCE = 60
MATRIX = """\
seed = 1
[run]
profile = "null"
queries = {queries}
cache_dir = "{cache}"
[[variant]]
name = "a"
[[variant]]
name = "b"
"""


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    return write(tmp_path)


def write(folder: Path, queries: int = 100) -> Path:
    file = folder / "matrix.toml"
    file.write_text(MATRIX.format(cache=folder, queries=queries), encoding="utf-8")
    return file


def times(output: Path) -> dict[str, int]:
    """When each finished round was written."""
    files = sorted((output / "rounds").glob("*/round.json"))
    return {file.parent.name: file.stat().st_mtime_ns for file in files}


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_more_rounds_go_on_after_those_that_are_there(matrix: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert run_compare(matrix, "--rounds", 2, output=output).status == 0
    before = times(output)
    again = run_compare(matrix, "--rounds", 3, output=output)
    assert "Going on after 2 finished rounds" in again.stdout
    assert len(comparison_of(again).order) == 3
    assert {name: times(output)[name] for name in before} == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_ended_comparison_goes_on(matrix: Path, tmp_path: Path, number: int) -> None:
    output = tmp_path / "out"
    arguments = command([matrix, "--rounds", 50, "--output", output], COMPARE)
    with subprocess.Popen(
        arguments, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_for(lambda: len(times(output)) >= 1)
        # In the middle of a round.
        wait_for(lambda: len(psutil.Process(process.pid).children()) > 0)
        children = psutil.Process(process.pid).children()
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=PATIENCE)
    if number == signal.SIGKILL:
        for child in children:
            child.wait(PATIENCE)
    else:
        assert process.returncode == 128 + number
        assert b"finished rounds are kept" in errors
        assert not any(child.is_running() for child in children)
    before = times(output)
    assert not (output / "comparison.json").exists()
    run = run_compare(matrix, "--rounds", len(before) + 1, output=output)
    assert run.status == 0
    assert f"Going on after {len(before)} finished rounds" in run.stdout
    after = times(output)
    assert {name: after[name] for name in before} == before
    assert [row.measurements[-1].round for row in comparison_of(run).rows] == [len(after)] * 2


def test_another_comparison_does_not_mix_with_it(matrix: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert run_compare(matrix, "--rounds", 1, output=output).status == 0
    before = times(output)
    other = run_compare(write(tmp_path, queries=101), "--rounds", 1, output=output)
    assert other.status == 2
    assert "holds another comparison (other variants or options)" in other.error
    assert times(output) == before
    anew = run_compare(tmp_path / "matrix.toml", "--rounds", 1, "--overwrite", output=output)
    assert anew.status == 0
    assert times(output) != before


def test_the_result_of_a_run_is_not_replaced(matrix: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "results.json").write_text("{}", encoding="utf-8")
    run = run_compare(matrix, "--rounds", 1, output=output)
    assert run.status == 2
    assert "holds the result of a run" in run.error


def test_a_damaged_result_of_a_round_is_named(
    null_run: Run, null_matrix: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(null_run.output, output)
    file = next(output.glob("rounds/0001/*-first-*/results.json"))
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(content | {"queries": "many"}), encoding="utf-8")
    run = run_compare(null_matrix, output=output)
    assert run.status == 2
    assert run.error == (
        f"{file} is not a result of main.py: expected int | null, got str - at $.queries. "
        "Measure anew with --overwrite."
    )


def test_a_folder_in_use_is_refused(matrix: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    arguments = command([matrix, "--rounds", 50, "--output", output], COMPARE)
    with subprocess.Popen(
        arguments, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        wait_for((output / "plan.json").exists)
        second: Run = run_compare(matrix, "--rounds", 1, output=output)
        process.terminate()
    assert second.status == 2
    assert "Another comparison is writing" in second.error


def test_a_folder_that_cannot_be_made_is_named(matrix: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    run = run_compare(matrix, "--rounds", 1, output=tmp_path / "file" / "out")
    assert run.status == 2
    assert "Cannot write to the output folder" in run.error
