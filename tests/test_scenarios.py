"""The sample model in every scenario: figures, accuracy and the record of them."""

import dataclasses
import struct
from pathlib import Path
from typing import Any

import pytest

from backend import BackendConfig
from backend_openvino import OpenVINOBackend
from dataset import DatasetConfig
from imagenet import ImageNetEfficientNetLite
from mlperf_benchmark.core.run_config import SCENARIOS, RunConfig
from mlperf_benchmark.models.prepare.preparer import prepare_model
from mlperf_benchmark.models.prepare.recipe import Recipe
from mlperf_benchmark.models.prepare.sample import Sample
from mlperf_benchmark.run.answers import load_answers
from mlperf_benchmark.run.result import Result
from mlperf_benchmark.tvm_compiler.options import CompileOptions
from tests.command import ROOT, Run
from tests.conftest import Runner, SampleRuns

IMAGES = 20
REAL_IMAGES = ROOT.parent / "shared" / "imagenet-300" / "val"
PERFORMANCE = {
    "SingleStream": ("--queries", "100"),
    "MultiStream": ("--samples-per-query", "2", "--queries", "70"),
    "Server": ("--qps", "20", "--queries", "60", "--max-latency", "1"),
    "Offline": ("--queries", "100", "--max-batchsize", "4"),
}
# What no machine makes VALID: too few queries, a bound too low for any answer, too little time.
INVALID = {
    "SingleStream": ("--queries", "10"),
    "MultiStream": ("--samples-per-query", "2", "--queries", "10"),
    "Server": ("--qps", "20", "--queries", "60", "--max-latency", "0.001"),
    "Offline": ("--time", "60", "--qps", "1"),
}
ACCURACY = {
    "SingleStream": (),
    "MultiStream": ("--samples-per-query", "3"),
    "Server": ("--max-batchsize", "4"),
    "Offline": ("--max-batchsize", "3", "--performance-sample-count", "7"),
}
PERCENTILES = {
    "p50": "50.00",
    "p90": "90.00",
    "p95": "95.00",
    "p97": "97.00",
    "p99": "99.00",
    "p99.9": "99.90",
}


# PyTorch's own, which take seconds to start, are in test_torch_backends.py.
@pytest.fixture(scope="module", params=("openvino", "onnxruntime", "tvm"))
def sample_runs(
    request: pytest.FixtureRequest,
    sample: Sample,
    cache_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> SampleRuns:
    """The same tests hold on every backend."""
    folder = tmp_path_factory.mktemp(f"runs-{request.param}")
    model = sample.model
    if request.param != "openvino":
        options = CompileOptions(batches=(1, 4)) if request.param == "tvm" else None
        recipe = Recipe("efficientnet-lite0", "package", backend=request.param, compilation=options)
        model = prepare_model(dataclasses.replace(recipe, output=folder))
    arguments = (
        *("--profile", f"efficientnet-lite0-{request.param}"),
        *("--model", model, "--dataset-path", sample.images, "--cache-dir", cache_dir),
    )
    return SampleRuns(arguments, folder, {})


@pytest.fixture(params=SCENARIOS)
def performance(request: pytest.FixtureRequest, sample_runs: SampleRuns) -> Run:
    scenario = request.param
    return sample_runs.get(
        f"performance-{scenario}", "--scenario", scenario, *PERFORMANCE[scenario]
    )


@pytest.fixture(params=SCENARIOS)
def accuracy(request: pytest.FixtureRequest, sample_runs: SampleRuns) -> Run:
    scenario = request.param
    return sample_runs.get(
        f"accuracy-{scenario}", "--accuracy", "--scenario", scenario, *ACCURACY[scenario]
    )


@pytest.fixture(scope="session")
def expected(sample: Sample, cache_dir: Path) -> list[int]:
    """What the model answers for each image when OpenVINO is asked directly."""
    return openvino_answers(sample.model, sample.images, cache_dir)


@pytest.fixture(scope="session")
def expected_of_200(sample: Sample, cache_dir: Path) -> list[int]:
    if not REAL_IMAGES.is_dir():
        pytest.skip(f"needs the labelled images in {REAL_IMAGES}")
    return openvino_answers(sample.model, REAL_IMAGES, cache_dir)


def openvino_answers(model: Path, images: Path, cache_dir: Path) -> list[int]:
    dataset = ImageNetEfficientNetLite(DatasetConfig(images, None, cache_dir, None))
    count = dataset.prepare().count
    backend = OpenVINOBackend(
        BackendConfig(
            model=model,
            image=dataset.image,
            threads=1,
            precision="f32",
            cache_dir=cache_dir,
        )
    )
    backend.load()
    return [int(backend.predict(dataset.load([index])).argmax()) for index in range(count)]


def official_predictions(run: Run) -> dict[int, int]:
    """As MLPerf's accuracy script reads the log: the first answer of a sample counts."""
    predictions: dict[int, int] = {}
    for entry in run.answers:
        (label,) = struct.unpack("<f", bytes.fromhex(entry["data"]))
        predictions.setdefault(entry["qsl_idx"], int(label))
    return predictions


def figures(run: Run) -> dict[str, Any]:
    """LoadGen's own, in results.json's form."""
    detail, scenario = run.detail, run.detail["effective_scenario"]
    query = scenario == "MultiStream"
    kind, suffix = ("query_latency", "per_query_latency") if query else ("latency", "latency")
    latency = {name: detail[f"result_{name}_{kind}_ns"] for name in ("mean", "min", "max")}
    for name, percentile in PERCENTILES.items():
        latency[name] = detail[f"result_{percentile}_percentile_{suffix}_ns"]
    per_second = {
        "SingleStream": lambda: detail["result_qps_with_loadgen_overhead"],
        "MultiStream": lambda: 2 / (detail["result_mean_query_latency_ns"] / 1e9),
        "Server": lambda: detail["result_completed_samples_per_sec"],
        "Offline": lambda: detail["result_samples_per_second"],
    }
    return {
        "scenario": scenario,
        "latency_ms": {name: value / 1e6 for name, value in latency.items()},
        "samples_per_second": per_second[scenario](),
        "queries": detail["result_query_count"],
        "validity": detail["result_validity"],
    }


def test_figures_are_those_of_the_detail_log(performance: Run) -> None:
    expected_figures = figures(performance)
    assert {name: performance.result[name] for name in expected_figures} == expected_figures


def test_status_follows_the_validity(performance: Run) -> None:
    assert performance.status == {"VALID": 0, "INVALID": 3}[performance.result["validity"]]


def test_valid_run_names_no_reason(sample_runs: SampleRuns) -> None:
    run = sample_runs.get("performance-SingleStream", *PERFORMANCE["SingleStream"])
    assert (run.status, run.result["validity"]) == (0, "VALID")
    assert run.result["invalid_reasons"] == []
    assert not any("INVALID" in warning for warning in run.result["warnings"])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_invalid_run_names_reason_and_cure(
    scenario: str, benchmark: Runner, sample_options: tuple[object, ...]
) -> None:
    run = benchmark(*sample_options, "--scenario", scenario, *INVALID[scenario])
    assert (run.status, run.result["validity"]) == (3, "INVALID")
    assert run.result["invalid_reasons"]
    assert all(run.result["invalid_reasons"])
    assert any("INVALID, " in warning and "--" in warning for warning in run.result["warnings"])


def test_exactly_the_queries_asked_for_are_issued(performance: Run) -> None:
    asked = {"SingleStream": 100, "MultiStream": 70, "Server": 60, "Offline": 1}
    scenario = performance.result["scenario"]
    assert performance.result["queries"] == asked[scenario]
    if scenario == "Offline":
        assert performance.detail["effective_samples_per_query"] == 100


def test_performance_run_claims_no_accuracy(performance: Run) -> None:
    assert performance.result["accuracy"] is None
    assert performance.result["mode"] == "performance"


def test_short_run_says_so(performance: Run) -> None:
    result = performance.result
    assert result["rules"] == "modified"
    assert any("20 samples in memory" in difference for difference in result["rule_differences"])


def test_table_shows_the_figures(performance: Run) -> None:
    result = performance.result
    assert f"{result['samples_per_second']:.2f} samples/s" in performance.stdout
    assert result["validity"] in performance.stdout
    if result["scenario"] != "Offline":
        assert f"p90 {result['latency_ms']['p90']:.3f}" in performance.stdout


def test_log_without_terminal_is_plain_text(performance: Run) -> None:
    text = performance.stdout + performance.stderr
    assert "\x1b" not in text
    assert "\r" not in text


def test_answers_are_the_models_own(accuracy: Run, expected: list[int]) -> None:
    assert official_predictions(accuracy) == dict(enumerate(expected))


def test_answers_on_200_real_images_are_openvinos(
    sample_runs: SampleRuns, expected_of_200: list[int]
) -> None:
    """In torch the model scores 180 with PIL's bicubic resize, 178 with its bilinear one."""
    run = sample_runs.get(
        "accuracy-200", "--accuracy", "--scenario", "Offline", "--dataset-path", REAL_IMAGES
    )
    assert official_predictions(run) == dict(enumerate(expected_of_200))
    assert run.result["accuracy"]["total"] == 200
    assert 178 <= run.result["accuracy"]["good"] <= 180


def test_accuracy_is_that_of_the_accuracy_log(accuracy: Run, sample: Sample) -> None:
    lines = (sample.images / "val_map.txt").read_text().splitlines()
    labels = [int(line.split()[1]) for line in lines]
    predictions = official_predictions(accuracy)
    good = sum(predictions[index] == label for index, label in enumerate(labels))
    assert accuracy.result["accuracy"] == {
        "good": good,
        "total": IMAGES,
        "top1": pytest.approx(100 * good / IMAGES),
    }
    assert f"({good}/{IMAGES})" in accuracy.stdout


def test_answers_are_kept_with_their_scores(
    accuracy: Run, sample: Sample, expected: list[int]
) -> None:
    answers = load_answers(accuracy.output / "answers.npz")
    assert answers.classes.tolist() == expected
    assert answers.names[0] == (sample.images / "val_map.txt").read_text().split()[0]
    assert answers.right is not None
    assert int(answers.right.sum()) == accuracy.result["accuracy"]["good"]
    assert answers.scores is not None
    assert answers.scores.shape == (IMAGES, 1000)
    assert answers.scores.argmax(axis=1).tolist() == expected


def test_accuracy_is_good(accuracy: Run) -> None:
    """The 20 images are easy ones: a wrong preprocessing or label order would show."""
    assert accuracy.result["accuracy"]["good"] >= 17


def test_accuracy_run_makes_no_claim_of_speed(accuracy: Run) -> None:
    result = accuracy.result
    assert accuracy.status == 0
    assert result["mode"] == "accuracy"
    assert result["validity"] is None
    assert result["latency_ms"] is None
    assert result["samples_per_second"] is None


def test_result_has_the_fields_of_its_schema(performance: Run) -> None:
    assert list(performance.result) == [field.name for field in dataclasses.fields(Result)]
    assert list(performance.result["config"]) == [
        field.name for field in dataclasses.fields(RunConfig)
    ]


def test_result_describes_the_run(sample_runs: SampleRuns) -> None:
    run = sample_runs.get("performance-SingleStream", *PERFORMANCE["SingleStream"])
    result = run.result
    _, profile, _, model, *_ = sample_runs.options
    parts = (Path(str(model)), Path(str(model)).with_suffix(".bin"))
    assert result["schema_version"] == 1
    assert result["command"][0] == "main.py"
    assert profile in result["command"]
    assert result["model"]["path"] == str(model)
    assert result["model"]["bytes"] == sum(part.stat().st_size for part in parts if part.exists())
    assert result["model"]["description"]["architecture"] == "efficientnet-lite0"
    assert result["backend"]["executed_precision"] == "f32"
    assert result["dataset"]["count"] == IMAGES
    assert len(result["dataset"]["list_sha256"]) == 64
    assert result["loadgen"]["version"].startswith("6.0.17")
    assert result["loadgen"]["error_count"] == 0
    assert result["loadgen"]["seeds"]["qsl_rng_seed"] == run.detail["effective_qsl_rng_seed"]
    assert {"mlcommons-loadgen", "openvino", "apache-tvm", "numpy"} <= set(
        result["system"]["packages"]
    )


def test_output_holds_loadgens_logs_and_the_result_alone(performance: Run) -> None:
    assert {file.name for file in performance.output.iterdir()} == {
        "mlperf_log_accuracy.json",
        "mlperf_log_detail.txt",
        "mlperf_log_summary.txt",
        "results.json",
    }
