"""Seconds to the first answer, and memory, of real runs. No time or size is expected as such."""

from pathlib import Path

import pytest

from tests.command import Run
from tests.conftest import Runner
from tests.tiny_models import SIZE, Tiny
from tests.tvm_compiler.conftest import Compiler
from tests.tvm_compiler.graphs import Model

OPENVINO = ("--backend", "openvino", "--dataset", "synthetic", "--queries", 20)
WIDTH = 16_000
"""Scores of a second output of `Tiny`, whose weights are then 64 MB."""


def check_whole(run: Run) -> None:
    """What holds of every run in one process."""
    start, memory = run.result["cold_start"], run.result["memory"]
    parts = [start["read_seconds"], start["compile_seconds"], start["first_inference_seconds"]]
    known = sum(part for part in parts if part is not None)
    assert 0 < known <= start["first_answer_seconds"] * (1 + 1e-9)
    assert 0 <= memory["model_bytes"] < memory["peak_bytes"]
    assert 0 < memory["before_bytes"] <= memory["load_peak_bytes"] <= memory["peak_bytes"]
    assert not {"read_seconds", "compile_seconds"} & run.result["backend"].keys()
    assert f"{start['first_answer_seconds']:.2f} s to the first answer" in run.stdout
    assert f"{memory['peak_bytes'] / 1e6:.0f} MB at most" in run.stdout


def openvino(benchmark: Runner, model: Path, *arguments: object) -> Run:
    run = benchmark(*OPENVINO, "--model", model, "--overwrite", *arguments)
    assert run.status in (0, 3), run.stderr
    check_whole(run)
    return run


def test_a_backend_without_a_model_has_nothing_to_read(benchmark: Runner) -> None:
    run = benchmark("--profile", "null", "--queries", 20)
    check_whole(run)
    start = run.result["cold_start"]
    assert start["read_seconds"] is start["compile_seconds"] is start["from_model_cache"] is None


def test_the_model_cache_is_filled_and_used(benchmark: Runner, tmp_path: Path) -> None:
    model, cache = Tiny().save(tmp_path), tmp_path / "model cache"
    without = openvino(benchmark, model).result["cold_start"]
    assert without["from_model_cache"] is None
    assert without["read_seconds"] > 0
    assert without["compile_seconds"] > 0
    filling = openvino(benchmark, model, "--model-cache", cache)
    assert filling.result["cold_start"]["from_model_cache"] is False
    using = openvino(benchmark, model, "--model-cache", cache)
    assert using.result["cold_start"]["from_model_cache"] is True
    assert "from the model cache" in using.stdout
    assert "from the model cache" not in filling.stdout


def test_a_model_of_more_weights_takes_more_memory(benchmark: Runner, tmp_path: Path) -> None:
    small = Tiny().save(tmp_path, "small")
    large = Tiny(extra_outputs=(WIDTH,)).save(tmp_path, "large")
    more = large.with_suffix(".bin").stat().st_size - small.with_suffix(".bin").stat().st_size
    few, many = (
        openvino(benchmark, model, "--outputs", "scores").result["memory"]
        for model in (small, large)
    )
    for figure in ("model_bytes", "load_peak_bytes", "peak_bytes"):
        assert many[figure] - few[figure] > more / 2, figure


def test_tvm_reads_what_was_compiled_before(benchmark: Runner, tmp_path: Path) -> None:
    model = Model(SIZE, SIZE).conv(16, 3, stride=4).relu().classifier(1000)
    path = Compiler(tmp_path).compile(model.onnx(), batches=(1,))
    tvm = ("--backend", "tvm", "--dataset", "synthetic", "--queries", 20)
    run = benchmark(*tvm, "--model", path)
    check_whole(run)
    assert run.result["cold_start"]["read_seconds"] > 0
    assert run.result["cold_start"]["compile_seconds"] is None


def test_other_backends_refuse_the_model_cache(benchmark: Runner, tmp_path: Path) -> None:
    run = benchmark("--profile", "null", "--model-cache", tmp_path)
    assert run.status == 2
    assert "--model-cache does not apply to the null backend" in run.error


def test_a_model_cache_that_cannot_be_made_is_named(benchmark: Runner, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "inside"):
        run = benchmark(*OPENVINO, "--model", Tiny().save(tmp_path), "--model-cache", folder)
        assert run.status == 2
        assert f"The model cache {folder} cannot be used" in run.error
        assert "--model-cache" in run.error


@pytest.mark.parametrize("scenario", ["Offline", "Server"])
def test_every_scenario_has_them(benchmark: Runner, tmp_path: Path, scenario: str) -> None:
    batches = ("--scenario", scenario, "--max-batchsize", 4)
    openvino(benchmark, Tiny(batch=-1).save(tmp_path), *batches)
