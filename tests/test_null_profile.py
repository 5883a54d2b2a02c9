"""The null profile, which measures the harness itself, runs in every scenario."""

import resource
import subprocess
from pathlib import Path

import pytest

from mlperf_benchmark.core.run_config import SCENARIOS
from tests.command import ROOT, TIMEOUT, Run, command, environment
from tests.conftest import Runner

MEMORY = 8 << 30


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_backend_that_answers_at_once_does_not_fill_the_memory(
    scenario: str, tmp_path: Path
) -> None:
    """LoadGen prepares its queries beforehand, as many as the expected speed asks for."""
    arguments = ["--profile", "null", "--scenario", scenario, "--time", "0.5"]
    done = subprocess.run(
        command([*arguments, "--output", tmp_path]),
        cwd=ROOT,
        env=environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    run = Run(done.returncode, done.stdout, done.stderr, tmp_path)
    assert run.status in (0, 3), run.stderr
    assert run.result["queries"] > 0
    assert run.detail["generated_query_count"] < 1_000_000
    assert run.result["accuracy"] is None
    assert run.result["model"] is None
    assert run.result["rules"] == "shortened"


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Offline"])
def test_run_that_would_fill_the_memory_is_refused(benchmark: Runner, scenario: str) -> None:
    """A day of queries for a backend that answers at once."""
    done = benchmark("--profile", "null", "--scenario", scenario, "--time", "86400")
    assert done.status == 2
    assert "GB" in done.error
    assert "--time" in done.error
    assert done.left_nothing


def test_noise_gets_no_accuracy(benchmark: Runner) -> None:
    done = benchmark("--profile", "null", "--count", "20", "--accuracy")
    assert done.status == 0
    assert done.result["accuracy"] is None
    assert len(done.answers) == 20
    assert "no claim" in done.stdout
