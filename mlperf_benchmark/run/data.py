"""The data set of a run."""

from dataset import DATASETS, Dataset, DatasetConfig
from mlperf_benchmark.core.network_config import JPEG
from mlperf_benchmark.core.run_config import RunConfig


def open_dataset(config: RunConfig) -> Dataset:
    """Not prepared yet."""
    dataset: Dataset = DATASETS.load(config.dataset)(
        DatasetConfig(
            path=config.dataset_path,
            image_list=config.dataset_list,
            cache_dir=config.cache_dir,
            count=config.count,
            preprocessing=config.preprocessing,
            encoded=config.network is not None and config.network.payload == JPEG,
        )
    )
    return dataset
