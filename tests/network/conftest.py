"""The samples that runs on doubles take."""

import pytest

from dataset import DatasetConfig
from mlperf_benchmark.core.image_format import Images
from mlperf_benchmark.images.synthetic import Synthetic
from tests.network.runs import COUNT


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    synthetic = Synthetic(DatasetConfig(None, None, tmp_path_factory.mktemp("none"), COUNT))
    return synthetic.load(range(COUNT))
