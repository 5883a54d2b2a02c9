"""Variants that take turns: their runs lie side by side, and their latencies hold no pause."""

import json
import subprocess
import time
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from tests.command import MAIN, ROOT, Run, command, environment, run_main
from tests.compare.command import COMPARE, comparison_of, run_compare

PATIENCE = 60
# As many as MultiStream wants for a VALID verdict.
QUERIES, TURN = 670, 100
MATRIX = """\
rounds = 2
queries_per_turn = {turn}
[run]
profile = "null"
queries = {queries}
cache_dir = "{cache}"
[axes]
scenario = ["SingleStream", "MultiStream", "Offline"]
[[variant]]
name = "a"
[[variant]]
name = "b"
[[variant]]
name = "broken"
backend = "openvino"
model = "{cache}/damaged.xml"
"""


def write(folder: Path, turn: int = TURN, queries: int = QUERIES) -> Path:
    (folder / "damaged.xml").write_text("no model", encoding="utf-8")
    file = folder / "matrix.toml"
    text = MATRIX.format(cache=folder, turn=turn, queries=queries)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("turns")
    return run_compare(write(folder), output=folder / "out")


def runs(run: Run, scenario: str) -> dict[str, dict[str, Any]]:
    """When the first round's cells of the scenario ran, by variant."""
    path = run.output / "rounds" / "0001" / "round.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        key.split("-")[1]: times for key, times in content.items() if key.endswith(scenario.lower())
    }


def told(run: Run, scenario: str, variant: str) -> list[str]:
    """What the variant's process printed in the first round."""
    (file,) = run.output.glob(f"rounds/0001/*-{variant}-{scenario.lower()}/stdout.txt")
    return file.read_text(encoding="utf-8").splitlines()


def test_a_variant_that_fails_leaves_the_turns_to_the_others(compared: Run) -> None:
    assert compared.status == 1
    for row in comparison_of(compared).rows:
        if row.name == "broken":
            assert row.failure is not None
            assert "damaged.xml" in row.failure
        else:
            assert row.failure is None
            assert len(row.measurements) == 2
            assert {run.validity for run in row.measurements} == {"VALID"}


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream"])
def test_variants_run_side_by_side_in_turns(compared: Run, scenario: str) -> None:
    started = [runs(compared, scenario)[name]["started"] for name in "ab"]
    files = compared.output.glob(f"rounds/0001/*-[ab]-{scenario.lower()}/results.json")
    assert min(file.stat().st_mtime for file in files) > max(started)
    for name in "ab":
        # Before the test there is one for the probe.
        assert told(compared, scenario, name).count("ready") == 2 + QUERIES // TURN


def test_offline_has_no_pause_for_turns(compared: Run) -> None:
    a, b = sorted(
        (runs(compared, "Offline")[name] for name in "ab"), key=lambda run: run["started"]
    )
    assert b["started"] >= a["started"] + a["seconds"]
    assert "ready" not in told(compared, "Offline", "a")


def test_the_table_and_the_runs_say_that_there_were_turns(compared: Run) -> None:
    assert f"in turns of {TURN} queries" in " ".join(compared.stdout.split())
    assert comparison_of(compared).queries_per_turn == TURN
    (file,) = compared.output.glob("rounds/0001/*-a-singlestream/results.json")
    result = json.loads(file.read_text(encoding="utf-8"))
    assert result["rules"] == "modified"
    assert f"a pause after every {TURN} queries" in result["rule_differences"]


def test_the_command_of_a_row_runs_alone(compared: Run) -> None:
    assert all("--queries-per-turn" not in row.command for row in comparison_of(compared).rows)


def test_rounds_with_other_turns_are_not_put_together(compared: Run) -> None:
    other = write(compared.output.parent, turn=TURN + 1)
    run = run_compare(other, output=compared.output)
    assert run.status == 2
    assert "holds another comparison (other turns)" in run.error


def test_the_plan_says_that_there_are_turns(tmp_path: Path) -> None:
    run = run_compare(write(tmp_path), "--dry-run", output=tmp_path / "out")
    assert run.status == 0
    assert f"in memory side by side and take turns of {TURN} queries" in run.stdout


def test_time_passes_for_all_that_take_turns_at_once(tmp_path: Path) -> None:
    options = ("--profile", "null", "--threads", 1, 2, "--time", 6, "--rounds", 1, "--dry-run")
    whole = run_compare(*options, output=tmp_path / "out")
    assert "2 runs, about 20 s each" in whole.stdout
    turns = run_compare(*options, "--queries-per-turn", 4, output=tmp_path / "out")
    assert "2 runs, about 14 s each" in turns.stdout


def test_no_turns_from_the_command_line_are_refused(tmp_path: Path) -> None:
    run = run_compare(write(tmp_path), "--queries-per-turn", 0, output=tmp_path / "out")
    assert run.status == 2
    assert '--queries-per-turn: "0" is not a whole number above 0' in run.error


def test_processes_whose_turns_nobody_gives_any_longer_end(tmp_path: Path) -> None:
    matrix = write(tmp_path, turn=1, queries=1_000_000)
    text = matrix.read_text(encoding="utf-8")
    matrix.write_text(text.replace(', "MultiStream", "Offline"', ""), encoding="utf-8")
    arguments = command([matrix, "--output", tmp_path / "out"], COMPARE)
    with subprocess.Popen(
        arguments, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            end = time.monotonic() + PATIENCE
            children: list[psutil.Process] = []
            while turns_of(tmp_path / "out", "a") < 2:
                assert time.monotonic() < end, "there was no turn in time"
                time.sleep(0.05)
            children = psutil.Process(process.pid).children()
        finally:
            process.kill()
    assert len(children) >= 2
    _, alive = psutil.wait_procs(children, PATIENCE)
    assert alive == []


def turns_of(output: Path, variant: str) -> int:
    """How many turns the variant has asked for in the first round."""
    files = output.glob(f"rounds/0001/*-{variant}-singlestream/stdout.txt")
    return sum(file.read_text(encoding="utf-8").count("ready") for file in files)


def test_a_pause_is_in_no_latency(tmp_path: Path) -> None:
    pause = 0.1
    output = tmp_path / "out"
    options = ["--profile", "null", "--queries", 64, "--queries-per-turn", 4, "--output", output]
    with subprocess.Popen(
        command(options, MAIN),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    ) as process:
        turns = give_turns(process.stdout, process.stdin, pause)
    assert process.returncode == 0
    assert turns == 2 + 64 // 4
    result = json.loads((output / "results.json").read_text(encoding="utf-8"))
    assert result["validity"] == "VALID"
    # Every fourth query comes after a pause.
    assert result["latency_ms"]["p90"] < 1000 * pause
    # With the pauses it would be 4 / pause at the most.
    assert result["samples_per_second"] > 4 / pause


def give_turns(said: IO[str] | None, hears: IO[str] | None, pause: float) -> int:
    """Let the process rest for `pause` seconds before each turn; the number of its turns."""
    assert said is not None
    assert hears is not None
    turns = 0
    for line in said:
        if line == "ready\n":
            time.sleep(pause)
            hears.write("\n")
            turns += 1
    return turns


def test_a_run_that_nobody_gives_turns_ends_with_a_line(tmp_path: Path) -> None:
    options = ("--profile", "null", "--queries", 64, "--queries-per-turn", 4)
    run = run_main(*options, output=tmp_path / "out")
    assert run.status == 1
    assert run.error == "Standard input has ended: nobody gives this process its turns."
    assert run.left_nothing


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scenario", "Offline"), "--queries-per-turn does not apply to Offline runs"),
        (("--scenario", "Server", "--qps", 5), "--queries-per-turn does not apply to Server runs"),
        (("--accuracy",), "--queries-per-turn does not apply to accuracy runs"),
    ],
)
def test_turns_are_refused_where_there_are_none(
    options: tuple[object, ...], message: str, tmp_path: Path
) -> None:
    run = run_main(*("--profile", "null", "--queries-per-turn", 4), *options, output=tmp_path / "o")
    assert run.status == 2
    assert message in run.error
