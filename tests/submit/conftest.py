"""Trees without faults, made once a session."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from mlperf_benchmark.submit.rules import DIVISIONS
from tests.submit.trees import make_tree


@pytest.fixture(scope="session")
def made_trees(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """By division."""
    folder = tmp_path_factory.mktemp("trees")
    return {division: make_tree(folder / division, division) for division in DIVISIONS}
