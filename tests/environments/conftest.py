"""Environments of README, which the tests share."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from mlperf_benchmark.core.requirements import NO_DEPS, PREPARE, RUN
from tests.environments import client
from tests.environments.venvs import installed_by, make_venv

FILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {client.RUN: (RUN,), client.PREPARE: (RUN, PREPARE, NO_DEPS)}
)
"""What README installs for each environment."""


@pytest.fixture(scope="session")
def venvs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the virtual environments, by name."""
    folder = tmp_path_factory.mktemp("venvs")
    for name, files in FILES.items():
        make_venv(folder / name, installed_by(files))
    return folder
