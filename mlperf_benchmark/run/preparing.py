"""What a test needs: the data set and the backend with its model, ready to be used."""

from dataclasses import dataclass

from backend import BACKENDS, Backend, BackendConfig, BackendInfo
from dataset import Dataset, DatasetInfo
from mlperf_benchmark.core.cpus import threads_of_quota
from mlperf_benchmark.core.image_format import Images
from mlperf_benchmark.core.preprocessing import CUSTOM
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.run.cold_start import ColdStartWatch


@dataclass(frozen=True)
class Prepared:
    """Labelled samples and a loaded model. `batch` images at most are inferred at once."""

    dataset: Dataset
    dataset_info: DatasetInfo
    backend: Backend
    info: BackendInfo
    watch: ColdStartWatch
    batch: int

    def first_batch(self) -> Images:
        """A full batch of the first samples, repeated if there are too few."""
        load = self.backend.sample_loader(self.dataset)
        return load([place % self.dataset_info.count for place in range(self.batch)])


def prepare(config: RunConfig, dataset: Dataset) -> Prepared:
    """Load the model, then preprocess the images that the cache does not hold."""
    backend: Backend = BACKENDS.load(config.backend)(
        BackendConfig(
            model=config.model,
            image=dataset.image,
            goal="latency" if config.scenario == "SingleStream" else "throughput",
            max_batch_size=config.max_batchsize,
            variable_batch=config.scenario == "Server",
            threads=config.threads or threads_of_quota(),
            streams=config.streams,
            precision=config.precision,
            inputs=config.inputs,
            outputs=config.outputs,
            data_format=config.data_format,
            cache_dir=config.cache_dir,
            model_cache=config.model_cache,
            network=config.network,
            execution_provider=config.execution_provider,
            takes_turns=config.queries_per_turn is not None,
            # Prepared from such a model, a file names its data set.
            any_classes=config.is_own_model or config.profile == CUSTOM,
        )
    )
    # The model first: its errors show in a second, and preprocessing may take an hour.
    watch = ColdStartWatch(backend)
    info = watch.load()
    # As asked for, even if a model with a larger fixed batch pads it.
    batch = min(config.max_batchsize or info.max_batch_size, info.max_batch_size)
    return Prepared(dataset, dataset.prepare(), backend, info, watch, batch)
