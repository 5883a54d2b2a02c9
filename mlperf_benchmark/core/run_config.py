"""The resolved configuration of one run: profile defaults with the command line on top."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.network_config import NetworkConfig
from mlperf_benchmark.core.preprocessing import CUSTOM, CustomPreprocessing, ModelCard

SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")
PRECISIONS = ("default", "f32", "bf16")
DATA_FORMATS = ("NCHW", "NHWC")


@dataclass(frozen=True)
class RunConfig:
    """One LoadGen test. None means not given: the rules, the model or the backend decide.

    `time` is in seconds, `max_latency` in seconds (as in the MLPerf reference app), `qps` in
    samples a second. `network` is for backends on other machines. `queries_per_turn` makes the run
    pause for other processes; `tests_per_run` makes it several tests with such pauses between them.
    `card` is what the options tell of the user's own model; with that and what stands beside the
    model `preprocessing` becomes complete.
    """

    profile: str
    backend: str
    dataset: str
    model_name: str
    scenario: str
    accuracy: bool
    model: Path | None
    dataset_path: Path | None
    dataset_list: Path | None
    cache_dir: Path
    count: int | None
    time: float | None
    queries: int | None
    queries_per_turn: int | None
    tests_per_run: int | None
    qps: float | None
    max_batchsize: int | None
    samples_per_query: int | None
    max_latency: float | None
    performance_sample_count: int | None
    threads: int | None
    streams: int | None
    precision: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    data_format: str | None
    execution_provider: str | None
    model_cache: Path | None
    network: NetworkConfig | None
    user_conf: Path | None
    audit_conf: Path | None
    output: Path
    overwrite: bool
    model_card: Path | None = None
    card: ModelCard | None = None
    labels_offset: int | None = None
    preprocessing: CustomPreprocessing | None = None

    @property
    def is_own_model(self) -> bool:
        """Whether the images follow from the model and its card; made-up ones have its size."""
        free = self.dataset == "synthetic" and self.profile in (CUSTOM, "none")
        return self.dataset == CUSTOM or free

    def of_one_test(self) -> "RunConfig":
        """The configuration of each test of the run, with its share of the time or the queries."""
        tests = self.tests_per_run or 1
        return dataclasses.replace(
            self,
            time=None if self.time is None else self.time / tests,
            queries=None if self.queries is None else math.ceil(self.queries / tests),
        )
