"""What is doubtful is said, with the option that cures it."""

from pathlib import Path
from typing import Any

import pytest

from backend import BackendInfo
from commandline.options import parse
from commandline.resolve import resolve
from contracts.config import RunConfig
from loadgen.detail_log import Performance
from results.warnings import setup_warnings, validity_warnings

OPENVINO = ["--backend", "openvino", "--dataset", "synthetic", "--model", "m.xml"]


def configuration(*arguments: str) -> RunConfig:
    return resolve(parse([*OPENVINO, *arguments]))


def info(**changes: Any) -> BackendInfo:
    values: dict[str, Any] = {
        "name": "openvino",
        "version": "1",
        "input_name": "image",
        "output_name": "scores",
        "data_format": "NCHW",
        "classes": 1000,
        "max_batch_size": 1,
        "requests": 1,
        "threads": 2,
        "streams": 1,
        "executed_precision": "f32",
    }
    return BackendInfo(**(values | changes))


def outcome(reason: str, early_stopping: str = "") -> Performance:
    return Performance(
        valid=False,
        invalid_reasons=(reason,),
        loadgen_errors=0,
        latency_ms={},
        samples_per_second=100.0,
        queries=50,
        early_stopping=early_stopping,
    )


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_nothing_is_doubtful_about_a_plain_run() -> None:
    assert setup_warnings(configuration(), info(), cpus=2, has_random_weights=False) == []


def test_more_threads_than_cpus() -> None:
    (warning,) = setup_warnings(configuration(), info(threads=4), 2, has_random_weights=False)
    assert "--threads 2" in warning


def test_random_weights() -> None:
    (warning,) = setup_warnings(configuration(), info(), 2, has_random_weights=True)
    assert "accuracy means nothing" in warning


@pytest.mark.parametrize(
    ("asked", "executed", "warned"),
    [
        ("f32", "bf16", True),
        ("bf16", "f32", True),
        ("default", "bf16 (3 of 4 layers), f32", True),
        ("bf16", "bf16 (3 of 4 layers), f32", False),
        ("f32", "int8 (53 of 54 layers), f32", False),
        ("default", "f32", False),
    ],
)
def test_precision_other_than_asked_for(asked: str, executed: str, warned: bool) -> None:
    warnings = setup_warnings(
        configuration("--precision", asked), info(executed_precision=executed), 2, False
    )
    assert len(warnings) == warned
    assert all("precision" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("Increase the target QPS so the loadgen pre-generates more queries.", "raise --qps"),
        ("Increase expected QPS so the loadgen pre-generates a larger", "--qps 120"),
        ("Reduce target QPS to improve latency.", "lower --qps (now 77)"),
        ("Decrease the expected latency so the loadgen pre-generates", "quiet machine"),
        ("Max test duration reached.", "raise --time"),
        ("something new", "mlperf_log_detail.txt"),
    ],
)
def test_invalid_run_gets_a_cure(reason: str, cure: str) -> None:
    (warning,) = validity_warnings(outcome(reason), target_qps=77)
    assert cure in warning


def test_early_stopping_tells_the_number_of_queries() -> None:
    (warning,) = validity_warnings(
        outcome("", "Only processed 50 queries. Need to process at least 64 queries"), 77
    )
    assert "--queries 64" in warning
