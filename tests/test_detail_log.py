"""What is made of LoadGen's detail log, on logs as LoadGen writes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.loadgen.detail_log import performance, read_detail_log

LOG: Mapping[str, Any] = {
    "effective_scenario": "SingleStream",
    "result_validity": "VALID",
    "result_query_count": 223,
    "early_stopping_result": " * Processed at least 64 queries (223).\n * Would discard 11.",
    "result_qps_with_loadgen_overhead": 221.654,
    "result_mean_latency_ns": 4535678,
    "result_min_latency_ns": 2277059,
    "result_max_latency_ns": 11986138,
    **{
        f"result_{percentile}_percentile_latency_ns": 4000000
        for percentile in ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")
    },
    "num_errors": 0,
}
ERROR = "Multiple conf files are used. This is not valid for official submission."


def write(folder: Path, values: Mapping[str, Any], errors: tuple[str, ...] = ()) -> Path:
    entries = [
        *((key, value, False) for key, value in values.items()),
        *(("error_invalid_config", error, True) for error in errors),
    ]
    lines = (
        ":::MLLOG "
        + json.dumps({"key": key, "value": value, "metadata": {"is_error": is_error}})
        + "\n"
        for key, value, is_error in entries
    )
    (folder / "mlperf_log_detail.txt").write_text("".join(lines))
    return folder


def test_valid_run(tmp_path: Path) -> None:
    outcome = performance(read_detail_log(write(tmp_path, LOG)))
    assert outcome.valid
    assert outcome.invalid_reasons == ()
    assert outcome.latency_ms["mean"] == 4.535678
    assert outcome.samples_per_second == 221.654
    assert outcome.queries == 223
    assert outcome.early_stopping == "* Processed at least 64 queries (223). * Would discard 11."


def test_valid_beside_an_error_is_invalid(tmp_path: Path) -> None:
    log = read_detail_log(write(tmp_path, {**LOG, "num_errors": 1}, errors=(ERROR,)))
    outcome = performance(log)
    assert not outcome.valid
    assert outcome.loadgen_errors == 1
    assert outcome.invalid_reasons == (ERROR,)


def test_error_that_was_counted_only_is_invalid(tmp_path: Path) -> None:
    outcome = performance(read_detail_log(write(tmp_path, {**LOG, "num_errors": 2})))
    assert not outcome.valid
    assert outcome.invalid_reasons == ("LoadGen counted 2 errors.",)


def test_invalid_without_a_reason_gets_early_stoppings(tmp_path: Path) -> None:
    values = {
        **LOG,
        "result_validity": "INVALID",
        "result_invalid_reason": "",
        "early_stopping_result": " * Only processed 50 queries.\n * Need to process at least 64",
    }
    (reason,) = performance(read_detail_log(write(tmp_path, values))).invalid_reasons
    assert reason == (
        "Early stopping is not satisfied: "
        "* Only processed 50 queries. * Need to process at least 64"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        ':::MLLOG {"key": "loadgen_version", "value": "6.0.17", "metadata": {}}\n',
        ':::MLLOG {"key": "effective_scenario", "va',
        ':::MLLOG {"key": "effective_scenario"}\n',
    ],
    ids=["empty", "no test", "cut short", "incomplete"],
)
def test_unfinished_log_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "mlperf_log_detail.txt").write_text(text)
    with pytest.raises(RunError, match="mlperf_log_detail"):
        read_detail_log(tmp_path)


def test_missing_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="mlperf_log_detail"):
        read_detail_log(tmp_path)


@pytest.mark.parametrize("missing", ["num_errors", "result_99.90_percentile_latency_ns"])
def test_log_that_lost_its_end(tmp_path: Path, missing: str) -> None:
    values = {key: value for key, value in LOG.items() if key != missing}
    with pytest.raises(RunError, match=missing):
        performance(read_detail_log(write(tmp_path, values)))


def test_log_without_a_result(tmp_path: Path) -> None:
    log = read_detail_log(write(tmp_path, {"effective_scenario": "Offline"}))
    with pytest.raises(RunError, match="without a result"):
        performance(log)
