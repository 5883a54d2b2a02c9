"""Server runs of several short tests that take turns, judged by the queries of all of them."""

import json
from typing import Any

import pytest

from mlperf_benchmark.compare.intervals import round_ratios
from mlperf_benchmark.loadgen.detail_log import read_detail_log
from mlperf_benchmark.loadgen.several_tests import queries_needed
from tests.command import Run
from tests.compare.command import comparison_of, run_compare

TESTS = 3
MATRIX = """\
rounds = 1
tests_per_run = {tests}
accuracy = false
[run]
profile = "null"
time = 1.5
max_latency = 5
cache_dir = "{cache}"
[axes]
scenario = ["Server"]
[[variant]]
name = "many"
qps = 400
[[variant]]
name = "few"
qps = 40
"""


@pytest.fixture(scope="module")
def turns(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("server")
    file = folder / "matrix.toml"
    file.write_text(MATRIX.format(cache=folder, tests=TESTS), encoding="utf-8")
    return run_compare(file, output=folder / "out")


def result(turns: Run, place: int) -> dict[str, Any]:
    folder = sorted(turns.output.glob("rounds/0001/*-server"))[place]
    content: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return content


def test_enough_queries_in_all_tests_are_enough(turns: Run) -> None:
    many = result(turns, 0)
    assert many["validity"] == "VALID", many["invalid_reasons"]
    assert f"in {TESTS} tests, 0 of them over the bound. Run successful." in many["early_stopping"]
    assert len(many["tests"]) == TESTS
    # None of them alone would do.
    assert many["queries"] / TESTS < 459 < many["queries"]


def test_each_test_has_arrivals_of_its_own_which_variants_share(turns: Run) -> None:
    seeds = [
        [
            read_detail_log(log).effective("schedule_rng_seed")
            for log in (folder, *folder.glob("test-*"))
        ]
        for folder in sorted(turns.output.glob("rounds/0001/*-server"))
    ]
    assert len(set(seeds[0])) == TESTS
    assert sorted(seeds[0]) == sorted(seeds[1])


def test_too_few_queries_are_told_of_as_those_of_the_run(turns: Run) -> None:
    few = result(turns, 1)
    assert few["validity"] == "INVALID"
    needed = f"early stopping needs at least 459 queries and there were {few['queries']}"
    assert any(needed in warning for warning in few["warnings"])


def test_tests_stand_in_the_record(turns: Run) -> None:
    rows = comparison_of(turns).rows
    for place, row in enumerate(rows):
        (run,) = row.measurements
        assert [test.latency_ms for test in run.tests] == [
            test["latency_ms"] for test in result(turns, place)["tests"]
        ]


def test_a_ratio_is_the_median_of_the_turns_whatever_the_machine_did() -> None:
    """The second turn was slow for both, the third for one only."""
    base = {1: [10.0, 30.0, 10.0]}
    own = {1: [5.0, 15.0, 40.0]}
    assert round_ratios(own, base, higher_is_better=False) == [2.0]
    assert round_ratios(base, own, higher_is_better=True) == [2.0]


def test_a_round_that_one_of_both_lacks_has_no_ratio() -> None:
    assert round_ratios({1: [1.0], 2: [2.0]}, {2: [4.0]}, higher_is_better=True) == [0.5]
    assert round_ratios({1: [0.0]}, {1: [4.0]}, higher_is_better=True) == []


@pytest.mark.parametrize(
    ("late", "percentile", "needed"),
    [(0, 0.99, 459), (1, 0.99, 662), (10, 0.99, 2010), (1, 0.9, 64)],
)
def test_early_stopping_asks_for_as_many_as_loadgen(
    late: int, percentile: float, needed: int
) -> None:
    """As in MLPerf's table of early stopping, and in LoadGen's "Would need to run at least"."""
    assert queries_needed(late, percentile) == needed
