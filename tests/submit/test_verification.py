"""TEST01 and TEST04 get the verdicts of MLPerf's run_verification.py on the same logs."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlperf_benchmark.submit.finished_run import FinishedRun, read_run
from mlperf_benchmark.submit.verification import (
    PASS,
    SCORES,
    verify_test01_accuracy,
    verify_test01_performance,
    verify_test04,
)
from tests.submit.doctored_runs import write_answers, write_runs

SCENARIOS = ("SingleStream", "MultiStream", "Offline")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    return write_runs(folder, SCENARIOS, ("performance", "accuracy", "TEST01", "TEST04"))


def run(runs: Path, scenario: str, kind: str, **values: object) -> FinishedRun:
    """A run, with other values in its log."""
    found = read_run(runs / scenario / kind)
    assert found is not None
    log = dataclasses.replace(found.log, values={**found.log.values, **values})
    return dataclasses.replace(found, log=log)


def scaled(runs: Path, scenario: str, kind: str, reference: float, factor: float) -> FinishedRun:
    """The score is a latency in the streams, and so the higher the slower."""
    values: Mapping[str, float] = {SCORES[scenario]: reference * factor}
    return run(runs, scenario, kind, **values)


@pytest.mark.parametrize(
    ("scenario", "reference", "factor", "passes"),
    [
        ("Offline", 120.0, 0.89, False),
        ("Offline", 120.0, 0.91, True),
        ("Offline", 120.0, 1.09, True),
        ("Offline", 120.0, 1.11, False),
        ("SingleStream", 20e6, 1.11, False),
        ("SingleStream", 150e3, 1.19, True),
        ("SingleStream", 150e3, 1.21, False),
        ("MultiStream", 160e6, 0.89, False),
        ("MultiStream", 1e6, 0.81, True),
    ],
)
def test_test01_must_be_as_fast(
    scenario: str, reference: float, factor: float, passes: bool, runs: Path
) -> None:
    performance = scaled(runs, scenario, "performance", reference, 1)
    test = scaled(runs, scenario, "TEST01", reference, factor)
    assert verify_test01_performance(test, performance).passed == passes


@pytest.mark.parametrize(
    ("scenario", "reference", "factor", "passes"),
    [
        ("Offline", 120.0, 1.09, True),
        ("Offline", 120.0, 1.11, False),
        ("Offline", 120.0, 0.5, True),
        # Rates: 1.19 and 1.22 times as fast.
        ("SingleStream", 20e6, 0.84, True),
        ("SingleStream", 20e6, 0.82, False),
        ("MultiStream", 160e6, 0.84, True),
        ("MultiStream", 160e6, 0.82, False),
    ],
)
def test_test04_must_not_be_faster(
    scenario: str, reference: float, factor: float, passes: bool, runs: Path
) -> None:
    performance = scaled(runs, scenario, "performance", reference, 1)
    test = scaled(runs, scenario, "TEST04", reference, factor)
    assert verify_test04(test, performance).passed == passes


@pytest.mark.parametrize("kind", ["performance", "TEST01"])
def test_invalid_run_fails(kind: str, runs: Path) -> None:
    invalid = run(runs, "Offline", kind, result_validity="INVALID")
    other = run(runs, "Offline", "TEST01" if kind == "performance" else "performance")
    test, performance = (other, invalid) if kind == "performance" else (invalid, other)
    assert not verify_test01_performance(test, performance).passed
    assert not verify_test04(test, performance).passed


def test_same_answers_pass(runs: Path) -> None:
    verification = verify_test01_accuracy(
        run(runs, "Offline", "TEST01"), run(runs, "Offline", "accuracy")
    )
    assert verification.passed
    lines = verification.text.splitlines()
    assert "num_perf_log_qsl_idx_match = 4167" in lines
    assert "num_perf_log_data_mismatch = 0" in lines
    assert PASS in lines


def test_one_other_answer_fails(runs: Path, tmp_path: Path) -> None:
    write_answers(tmp_path / "mlperf_log_accuracy.json", [600], shift=1)
    test = dataclasses.replace(run(runs, "Offline", "TEST01"), folder=tmp_path)
    verification = verify_test01_accuracy(test, run(runs, "Offline", "accuracy"))
    assert not verification.passed
    assert "num_perf_log_data_mismatch = 1" in verification.text.splitlines()
