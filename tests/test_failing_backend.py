"""A backend that fails in the middle of a run ends it: no hang, no result, one clear line."""

import pytest

from tests.broken_backends import COUNT
from tests.command import WITH_TEST_BACKENDS
from tests.conftest import Runner

SCENARIOS = {
    "SingleStream": (),
    "MultiStream": ("--samples-per-query", "4"),
    "Server": ("--qps", "100", "--max-batchsize", "1"),
    "Server in batches": ("--qps", "100", "--max-batchsize", "4"),
    "Offline": ("--max-batchsize", "4"),
}


def run(benchmark: Runner, backend: str, scenario: str, *arguments: str) -> str:
    """The error line of a run of 100 queries that must fail."""
    done = benchmark(
        *("--backend", backend, "--dataset", "synthetic", "--count", COUNT, "--queries", "100"),
        *("--scenario", scenario.split(maxsplit=1)[0], *SCENARIOS[scenario], *arguments),
        script=WITH_TEST_BACKENDS,
    )
    assert done.status == 1
    assert done.left_nothing
    return done.error


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_exception_ends_the_run(benchmark: Runner, scenario: str) -> None:
    assert "the device is lost" in run(benchmark, "Raises", scenario)


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "SingleStream"])
def test_request_that_nobody_is_told_of_ends_the_run(benchmark: Runner, scenario: str) -> None:
    assert "a request was lost" in run(benchmark, "LosesRequests", scenario)


@pytest.mark.parametrize("scenario", ["SingleStream", "Offline"])
def test_nan_scores_end_the_run(benchmark: Runner, scenario: str) -> None:
    assert "NaN" in run(benchmark, "AnswersNaN", scenario)


def test_missing_answers_end_the_run(benchmark: Runner) -> None:
    assert "answered 3 of 4 images" in run(benchmark, "AnswersTooFew", "Offline")


def test_accuracy_run_fails_too(benchmark: Runner) -> None:
    done = benchmark(
        *("--backend", "Raises", "--dataset", "synthetic", "--count", COUNT, "--accuracy"),
        script=WITH_TEST_BACKENDS,
    )
    assert done.status == 1
    assert "the device is lost" in done.error
    assert done.left_nothing


def test_failure_to_load_is_one_line(benchmark: Runner) -> None:
    done = benchmark(
        "--backend", "FailsToLoad", "--dataset", "synthetic", script=WITH_TEST_BACKENDS
    )
    assert done.status == 1
    assert "no such device" in done.error
