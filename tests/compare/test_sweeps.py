"""Axes that are swept, the highest VALID rate as metric, and tests that take turns."""

import json
import re
from pathlib import Path

import pytest

from mlperf_benchmark.compare.matrix_file import read_matrix
from mlperf_benchmark.compare.plan import Plan, make_plan
from mlperf_benchmark.compare.sweeps import lines, swept
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.resolve import resolve
from tests.command import Run
from tests.compare.command import comparison_of, run_compare
from tests.compare.stored import swept_comparison
from tests.tiny_models import Tiny

TESTS = 3
PEAK = """\
rounds = 1
metric = "peak_qps"
accuracy = false
[run]
profile = "pytorch-openvino"
dataset = "synthetic"
count = 8
time = 0.2
max_latency = 0.1
cache_dir = "{folder}"
[axes]
scenario = ["Server"]
[[variant]]
name = "tiny"
model = "{folder}/tiny.xml"
[[variant]]
name = "broken"
model = "{folder}/broken.xml"
"""
TURNS = """\
rounds = 1
tests_per_run = {tests}
[run]
profile = "null"
time = 0.3
cache_dir = "{cache}"
[axes]
scenario = ["Offline"]
max_batchsize = [1, 4]
[[variant]]
name = "null"
"""
NULL = '[run]\nprofile = "null"\ntime = 2\n[[variant]]\nname = "a"\n[[variant]]\nname = "b"\n'


def plan_of(folder: Path, text: str) -> Plan:
    file = folder / "matrix.toml"
    file.write_text(text, encoding="utf-8")
    return make_plan(read_matrix(file))


def test_an_axis_multiplies_the_scenarios_that_take_it(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        NULL + '[axes]\nscenario = ["SingleStream", "Server", "Offline"]\n'
        "threads = [1, 2]\nstreams = [1, 2]\nmax_batchsize = [1, 8]\nqps = [5, 7.5]\n",
    )
    names = {
        scenario: [cell.name for cell in plan.cells if cell.scenario == scenario]
        for scenario in ("SingleStream", "Server", "Offline")
    }
    assert names["SingleStream"] == [
        f"{variant}, {threads}" for variant in "ab" for threads in ("1 thread", "2 threads")
    ]
    assert len(names["Offline"]) == 12
    assert names["Offline"][-1] == "b, 2 threads, 2 streams, batch 8"
    assert len(names["Server"]) == 24
    assert names["Server"][1] == "a, 1 thread, 1 stream, batch 1, 7.5 queries/s"
    # A stream has a thread at least.
    assert not any("1 thread, 2 streams" in name for name in names["Offline"])
    assert len({cell.key for cell in plan.cells}) == len(plan.cells)
    last = plan.cells[-1].arguments
    assert last[-6:] == ("--threads", "2", "--streams", "2", "--max-batchsize", "8")


def test_rates_are_compared_with_the_baseline_at_the_same_rate(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, NULL + '[axes]\nscenario = ["Server"]\nqps = [5, 10]\n')
    by_key = {cell.key: cell for cell in plan.cells}
    for cell in plan.cells:
        assert by_key[cell.baseline].sweep == cell.sweep
        assert by_key[cell.baseline].variant == "a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NULL + "[axes]\nstreams = [1, 2]\n", "streams in [axes] needs the scenario MultiStream"),
        (NULL + '[axes]\nscenario = ["Offline"]\nqps = [1, 2]\n', "qps in [axes] needs the scenar"),
        (NULL + "[axes]\nstreams = [1.5]\n", "each value a whole number"),
        (NULL + '[axes]\nqps = ["fast"]\n', "each value a number"),
        (NULL + "streams = 1\n[axes]\nstreams = [1, 2]\n", '"b" sets streams'),
        ('metric = "peak_qps"\n' + NULL, "a rate of the scenario Server"),
        (
            'metric = "peak_qps"\n' + NULL + '[axes]\nscenario = ["Server"]\nqps = [5]\n',
            "leave qps out of [axes]",
        ),
        (
            'metric = "peak_qps"\n' + NULL + 'qps = 5\n[axes]\nscenario = ["Server"]\n',
            'Variant "b": the metric peak_qps finds the rate itself',
        ),
        (
            NULL + '[axes]\nscenario = ["Offline"]\nthreads = [1]\nstreams = [2]\n',
            "more streams than threads",
        ),
        ("tests_per_run = 2\n" + NULL, "tests_per_run needs Server or Offline"),
        ("tests_per_run = 0\n" + NULL, "tests_per_run must be at least 1"),
        (
            "tests_per_run = 2\n"
            + NULL.replace("time = 2", "")
            + '[axes]\nscenario = ["Offline"]\n',
            "tests_per_run needs time or queries",
        ),
    ],
)
def test_refusals(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        plan_of(tmp_path, text)


def test_axes_from_the_command_line(tmp_path: Path) -> None:
    options = ("--profile", "null", "--queries", 9, "--scenario", "Offline", "--dry-run")
    run = run_compare(*options, "--max-batchsize", 1, 8, "--streams", 2, output=tmp_path / "out")
    assert "null, batch 1 (baseline): python3 main.py" in run.stdout
    # One value is an option of all runs, and in no name.
    assert "null, batch 8: python3 main.py" in run.stdout
    assert run.stdout.count("--streams 2") == 2


def test_a_value_given_twice_is_refused(tmp_path: Path) -> None:
    options = ("--profile", "null", "--queries", 9, "--scenario", "Offline", "--dry-run")
    run = run_compare(*options, "--streams", 2, 2, output=tmp_path / "out")
    assert run.status == 2
    assert "streams names a value twice" in run.error


@pytest.fixture(scope="module")
def peak(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("peak")
    Tiny().save(folder)
    (folder / "broken.xml").write_text("no model", encoding="utf-8")
    (folder / "matrix.toml").write_text(PEAK.format(folder=folder), encoding="utf-8")
    return run_compare(folder / "matrix.toml", output=folder / "out")


def test_server_is_compared_by_its_highest_valid_rate(peak: Run) -> None:
    assert "Peak queries/s" in peak.stdout
    row, _ = comparison_of(peak).rows
    assert row.metric == "peak_qps"
    (run,) = row.measurements
    assert run.validity == "VALID"
    assert row.estimate is not None
    assert row.estimate.value == run.qps
    # The row's command makes that run.
    assert row.command[-2:] == ["--qps", str(run.qps)]


def test_a_search_ends_between_valid_and_invalid_and_keeps_its_runs(peak: Run) -> None:
    (rates,) = peak.output.glob("rounds/0001/*-tiny-*/rates")
    found = comparison_of(peak).rows[0].measurements[0].qps
    assert found is not None
    results = [json.loads(path.read_text("utf-8")) for path in rates.glob("*/results.json")]
    (offline,) = (result for result in results if result["scenario"] == "Offline")
    server = {True: [0.0], False: [offline["samples_per_second"]]}
    for result in results:
        if result["scenario"] == "Server":
            server[result["validity"] == "VALID"].append(result["config"]["qps"])
    # The run at the highest rate has become the cell's.
    assert max(server[True]) < found < max(server[False])


def test_a_search_that_cannot_run_fails_its_cell_alone(peak: Run) -> None:
    assert peak.status == 1
    row = comparison_of(peak).rows[1]
    assert row.failure is not None
    assert "broken.xml" in row.failure


@pytest.fixture(scope="module")
def turns(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("tests")
    text = TURNS.format(cache=folder, tests=TESTS)
    (folder / "matrix.toml").write_text(text, encoding="utf-8")
    return run_compare(folder / "matrix.toml", output=folder / "out")


def test_tests_of_a_run_take_turns(turns: Run) -> None:
    assert turns.status == 0
    assert f"in turns of a test each, {TESTS} a run" in " ".join(turns.stdout.split())
    comparison = comparison_of(turns)
    assert comparison.tests_per_run == TESTS
    for row in comparison.rows:
        assert [run.validity for run in row.measurements] == ["VALID"]
        assert "--tests-per-run" not in row.command
    folders = sorted(turns.output.glob("rounds/0001/*-null-*"))
    assert len(folders) == 2
    for folder in folders:
        # One more for the probe.
        text = (folder / "stdout.txt").read_text(encoding="utf-8").splitlines()
        assert text.count("ready") == 1 + TESTS
    # The second begins before the first has ended.
    content = json.loads((turns.output / "rounds/0001/round.json").read_text("utf-8"))
    started = [run["started"] for run in content.values()]
    ended = [(folder / "results.json").stat().st_mtime for folder in folders]
    assert max(started) < min(ended)


def test_the_figures_of_a_run_are_those_of_its_tests(turns: Run) -> None:
    folder = next(turns.output.glob("rounds/0001/*-null-*"))
    result = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    logs = [folder, *(folder / f"test-{number}" for number in range(2, TESTS + 1))]
    rates = [value(log, "result_samples_per_second") for log in logs]
    assert result["samples_per_second"] == pytest.approx(TESTS / sum(1 / rate for rate in rates))
    assert result["queries"] == TESTS
    assert result["rules"] == "modified"
    assert f"{TESTS} tests with pauses between them" in result["rule_differences"]


def test_tests_by_time_have_whole_batches_and_no_duration(turns: Run) -> None:
    """Whatever the machine does meanwhile, their verdict does not hang on the probe."""
    (folder,) = turns.output.glob("rounds/0001/*-null-offline-4")
    samples = value(folder, "effective_samples_per_query")
    assert samples > 4
    assert samples % 4 == 0
    assert value(folder, "effective_min_duration_ms") == 0


def value(folder: Path, key: str) -> float:
    """Of LoadGen's detail log."""
    lines = (folder / "mlperf_log_detail.txt").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in lines]
    return float(next(entry["value"] for entry in entries if entry["key"] == key))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--time", "1"), "--tests-per-run does not apply to SingleStream runs"),
        (("--accuracy", "--scenario", "Offline"), "does not apply to accuracy runs"),
        (("--scenario", "Offline"), "--tests-per-run needs --time or --queries"),
        (("--scenario", "Offline", "--queries", "2"), "--queries 2 are too few for 3 tests"),
    ],
)
def test_tests_are_refused_where_there_is_nothing_to_divide(
    options: tuple[str, ...], message: str
) -> None:
    arguments = ["--profile", "null", "--tests-per-run", str(TESTS), *options]
    with pytest.raises(UsageError, match=re.escape(message)):
        resolve(parse([*arguments, "--output", "out"]))


def test_lines_join_rows_that_differ_in_one_axis() -> None:
    rows = [row for row in swept_comparison().rows if row.scenario == "Offline"]
    assert swept(rows) == ["threads", "streams"]
    found = lines(rows, "threads")
    assert [line.name for line in found] == ["fp32, 1 stream", "fp32, 2 streams"]
    assert found[0].values == (1, 2, 4)
    assert [row.sweep["streams"] for row in found[1].rows] == [2, 2, 2]
