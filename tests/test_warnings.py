"""What is doubtful is said, with the option that cures it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend import BackendInfo
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.loadgen.detail_log import Performance
from mlperf_benchmark.models.files.description import ModelDescription, Size, Weights
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.resolve import resolve
from mlperf_benchmark.run.warnings import setup_warnings, short_tests_warning, validity_warnings

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


def described(dataset: str = "synthetic", sha256: str | None = "abc") -> ModelDescription:
    size = Size(gmacs=1.0, parameters=1)
    return ModelDescription(
        architecture="resnet50",
        weights=Weights("file", sha256, None),
        dataset=dataset,
        input_size=224,
        precision="fp32",
        size=size,
        unpruned_size=size,
        pruning=None,
        fine_tuning=None,
        quantization=None,
        tools={},
        files={},
    )


def warnings(
    *arguments: str, description: ModelDescription | None = None, **changes: Any
) -> list[str]:
    return setup_warnings(configuration(*arguments), info(**changes), 2, description, True)


def test_nothing_is_doubtful_about_a_plain_run() -> None:
    assert warnings() == []
    assert warnings(description=described()) == []


def test_preprocessing_that_the_model_was_not_trained_with() -> None:
    (warning,) = warnings(description=described("imagenet_pytorch"))
    assert "--dataset imagenet_pytorch" in warning


def test_more_threads_than_cpus() -> None:
    (warning,) = warnings(threads=4)
    assert "--threads 2" in warning


def test_random_weights() -> None:
    (warning,) = warnings(description=described(sha256=None))
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
        ("f32", "f32 (weights stored as f16)", False),
        ("default", "f32 (weights stored as bf16)", False),
        ("bf16", "f32 (weights stored as bf16)", True),
    ],
)
def test_precision_other_than_asked_for(asked: str, executed: str, warned: bool) -> None:
    found = warnings("--precision", asked, executed_precision=executed)
    assert len(found) == warned
    assert all("precision" in warning for warning in found)


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("Increase the target QPS so the loadgen pre-generates more queries.", "raise --qps"),
        ("Increase expected QPS so the loadgen pre-generates a larger", "set --qps to 120"),
        ("Reduce target QPS to improve latency.", "lower --qps (now 77)"),
        ("Decrease the expected latency so the loadgen pre-generates", "quiet machine"),
        ("Max test duration reached.", "raise --time"),
        ("something new", "mlperf_log_detail.txt"),
    ],
)
def test_invalid_run_gets_a_cure(reason: str, cure: str) -> None:
    (warning,) = validity_warnings(outcome(reason), 77, None)
    assert cure in warning


def test_early_stopping_tells_the_number_of_queries() -> None:
    (warning,) = validity_warnings(
        outcome("", "Only processed 50 queries. Need to process at least 64 queries"), 77, None
    )
    assert "--queries 64" in warning


def test_percentiles_that_short_tests_do_not_have_are_named() -> None:
    tests = (outcome(""), replace(outcome(""), queries=25))
    (warning,) = short_tests_warning(replace(outcome(""), tests=tests))
    assert "With 25 queries in a test, p97, p99, p99.9 are the latencies of its slowest" in warning
    long_enough = replace(outcome(""), queries=2000)
    assert short_tests_warning(replace(outcome(""), tests=(long_enough,) * 2)) == []
    assert short_tests_warning(outcome("")) == []


def test_int8_that_overflows_on_this_cpu_is_said() -> None:
    [warning] = setup_warnings(configuration(), info(int8_can_overflow=True), 2, None, False)
    assert "--overflow-fix all" in warning


def test_rate_of_a_user_conf_is_to_be_changed_there() -> None:
    reason = "Increase expected QPS so the loadgen pre-generates a larger"
    (warning,) = validity_warnings(outcome(reason), 77, Path("mine/user.conf"))
    assert "set target_qps in mine/user.conf to 120" in warning
