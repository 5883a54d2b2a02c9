"""Runs whose speed changed in between are made again, once."""

from pathlib import Path

import pytest

from mlperf_benchmark.submit import making
from mlperf_benchmark.submit.options import parse
from mlperf_benchmark.submit.plan import PlannedRun, planned_run
from mlperf_benchmark.submit.rules import kinds_of_runs
from tests.submit.doctored_runs import read_detail, write_detail, write_runs

SCENARIO = "Offline"
KINDS = kinds_of_runs("closed")


@pytest.fixture
def planned(tmp_path: Path) -> list[PlannedRun]:
    """Of runs that reached 100 samples/s each."""
    folder = write_runs(tmp_path, [SCENARIO], KINDS)
    request = parse(["--profile", "null", "--division", "closed", "--rehearsal"])
    runs = [planned_run(request, SCENARIO, kind, folder, {}) for kind in KINDS]
    for run in runs:
        set_speed(run, 100)
    return runs


def set_speed(run: PlannedRun, samples_per_second: float) -> None:
    path = run.output / "mlperf_log_detail.txt"
    write_detail(path, read_detail(path) | {"result_samples_per_second": samples_per_second})


def made_again(
    planned: list[PlannedRun], speeds: list[float], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], str]:
    """The kinds of the runs that were made, which reach `speeds`, and what was said."""
    made: list[str] = []
    said: list[str] = []

    def execute(run: PlannedRun) -> None:
        set_speed(run, speeds[len(made)])
        made.append(run.kind)

    monkeypatch.setattr(making, "execute", execute)
    making.make_runs(planned, [], said.append)
    return made, "\n".join(said)


def test_runs_of_like_speed_stay(
    planned: list[PlannedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made_again(planned, [], monkeypatch) == ([], "")


def test_test_of_unlike_speed_is_made_again(
    planned: list[PlannedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_speed(planned[KINDS.index("TEST01")], 80)
    made, said = made_again(planned, [101], monkeypatch)
    assert made == ["TEST01"]
    assert "Offline TEST01 does not pass: 80 samples/s, and 100 samples/s in the perfor" in said
    assert "more than 10% apart" in said


def test_performance_run_that_no_test_is_like_is_made_again(
    planned: list[PlannedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_speed(planned[KINDS.index("performance")], 50)
    made, _ = made_again(planned, [99, 101, 100], monkeypatch)
    assert made == ["TEST01", "TEST04", "performance"]
    assert made_again(planned, [], monkeypatch) == ([], "")


def test_runs_that_stay_unlike_end(
    planned: list[PlannedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_speed(planned[KINDS.index("TEST01")], 10)
    made, said = made_again(planned, [20, 30], monkeypatch)
    assert made == ["TEST01", "performance"]
    assert "Offline TEST01 does not pass again" in said
