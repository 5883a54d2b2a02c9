"""The sample model and images, and what runs main.py on them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from xdist.remote import Producer

from mlperf_benchmark.models.prepare.sample import Sample, prepare_sample
from tests.command import MAIN, ROOT, Run, run_main
from tests.scheduling import FolderScheduling

PREPARED = ROOT / "build" / "sample"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FolderScheduling:
    return FolderScheduling(config, log)


class Runner(Protocol):
    def __call__(self, *arguments: object, script: Path = MAIN, cwd: Path = ROOT) -> Run: ...


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all runs, as a user has it."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Sample:
    """EfficientNet-Lite0 and 20 labelled images; those of `make quickstart` where they exist."""
    folder = PREPARED if PREPARED.is_dir() else tmp_path_factory.mktemp("sample")
    return prepare_sample(folder, cache_dir)


@pytest.fixture
def benchmark(tmp_path: Path, cache_dir: Path) -> Runner:
    """Runs main.py with the shared cache and an output folder of its own."""

    def run(*arguments: object, script: Path = MAIN, cwd: Path = ROOT) -> Run:
        return run_main(
            "--cache-dir", cache_dir, *arguments, output=tmp_path / "output", script=script, cwd=cwd
        )

    return run


@pytest.fixture
def terminal() -> tuple[int, int]:
    """A terminal's two ends, what is shown and where it is written; skips where there is none."""
    try:
        return os.openpty()
    except OSError as error:
        pytest.skip(f"the system gives no terminal: {error}")


@dataclass(frozen=True)
class SampleRuns:
    """Runs of the sample model on the sample images, each made once a session."""

    options: tuple[object, ...]
    folder: Path
    made: dict[str, Run]

    def get(self, name: str, *arguments: object) -> Run:
        if name not in self.made:
            self.made[name] = run_main(*self.options, *arguments, output=self.folder / name)
        return self.made[name]


@pytest.fixture(scope="session")
def sample_options(sample: Sample, cache_dir: Path) -> tuple[object, ...]:
    return (
        *("--profile", "efficientnet-lite0-openvino"),
        *("--model", sample.model),
        *("--dataset-path", sample.images),
        *("--cache-dir", cache_dir),
    )
