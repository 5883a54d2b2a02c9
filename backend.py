"""The contract that every backend fulfils, and the backends by name.

To add a backend, write one module with a subclass of `Backend` and add one line to `BACKENDS`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from dataset import Dataset
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.image_format import ImageFormat, Images, Samples, Scores
from mlperf_benchmark.core.layer_profile import Profile
from mlperf_benchmark.core.network_config import NetworkConfig
from mlperf_benchmark.core.node_info import NetworkReport, NodeInfo
from mlperf_benchmark.core.precisions import STORED
from mlperf_benchmark.core.registry import Registry
from mlperf_benchmark.core.run_config import SCENARIOS

BACKENDS = Registry(
    "backend",
    {
        "inductor": "backend_torch:InductorBackend",
        "kserve": "backend_kserve:KServeBackend",
        "null": "mlperf_benchmark.loadgen.null_backend:NullBackend",
        "onnxruntime": "backend_onnxruntime:OnnxRuntimeBackend",
        "openvino": "backend_openvino:OpenVINOBackend",
        "torch": "backend_torch:TorchBackend",
        "tvm": "backend_tvm:TVMBackend",
    },
    group="mlperf_benchmark.backends",
)

Goal = Literal["latency", "throughput"]

SampleLoader = Callable[[Sequence[int]], Samples]
"""Brings samples into memory, in the form in which a backend takes them."""


@dataclass(frozen=True)
class BackendConfig:
    """What a backend is asked to do.

    `threads`, `streams` and `execution_provider` are None where the backend shall choose.
    `max_batch_size` None takes the model's own batch where the model fixes one, else 1.
    `variable_batch` says that batches of any size up to `max_batch_size` are to be expected
    (otherwise nearly all are full), `takes_turns` that other processes want the CPUs between
    queries. In `model_cache` the runtime keeps compiled models. `any_classes` allows other numbers
    of classes than ImageNet's.
    """

    model: Path | None
    image: ImageFormat
    goal: Goal = "latency"
    max_batch_size: int | None = None
    variable_batch: bool = False
    threads: int | None = None
    streams: int | None = None
    precision: str = "default"
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    data_format: str | None = None
    cache_dir: Path = Path("cache")
    model_cache: Path | None = None
    network: NetworkConfig | None = None
    execution_provider: str | None = None
    takes_turns: bool = False
    any_classes: bool = False


@dataclass(frozen=True)
class BackendInfo:
    """What the backend really does, read back from the runtime after loading.

    `classes` is 1000 for a model that answers the best class in place of scores.
    `max_batch_size` is the largest batch that one request takes, `batch_is_fixed` that the model
    takes no smaller one, `requests` how many requests it keeps in flight. `executed_precision` is
    what the runtime computes in, which need not be what was asked for, and where they differ what
    the weights are stored as. `int8_can_overflow` says that this CPU's INT8 kernels may add the
    products of this model's weights wrongly. `convolutions` says by which methods they are
    computed, where the backend knows. `threads` and `streams` are 0 where a served node does not
    tell. `execution_providers` run the model's layers, in a runtime that has such. `nodes` is empty
    for a backend in this process. `read_seconds` and `compile_seconds` are what the runtime took in
    `load` to read the model and to make it fit to run, None where it has no such step or cannot
    tell; `from_model_cache` whether it took the compiled model from `BackendConfig.model_cache`,
    None where there is none.
    """

    name: str
    version: str
    input_name: str
    output_name: str
    data_format: str
    classes: int
    max_batch_size: int
    requests: int
    threads: int
    streams: int
    executed_precision: str
    int8_can_overflow: bool = False
    batch_is_fixed: bool = False
    execution_providers: tuple[str, ...] = ()
    convolutions: str = ""
    nodes: tuple[NodeInfo, ...] = ()
    read_seconds: float | None = None
    compile_seconds: float | None = None
    from_model_cache: bool | None = None

    @property
    def computes_in(self) -> str:
        """`executed_precision` without what the weights are stored as."""
        return self.executed_precision.partition(STORED)[0]


@dataclass(frozen=True)
class Remark:
    """What was found in a model's file, as a sentence. `is_doubtful` where figures may suffer."""

    text: str
    is_doubtful: bool = False


class Listener(Protocol):
    """Who is told of the requests that `Backend.submit` started. Called from any thread."""

    def completed(self, token: Any, scores: Scores) -> None:
        """`scores` is valid only during the call."""

    def failed(self, error: BaseException) -> None: ...


class Backend(ABC):
    """Runs one model. Life cycle: construct, `load`, any number of calls, `close`.

    `accepts` names the command-line options about the model that this backend honours; the
    others are refused. `scenarios` are those that it can be measured in. `profiles` where it can
    tell the time of each layer.
    """

    accepts: ClassVar[frozenset[str]]
    scenarios: ClassVar[tuple[str, ...]] = SCENARIOS
    profiles: ClassVar[bool] = False

    def __init__(self, config: BackendConfig) -> None:
        self.config = config

    @abstractmethod
    def load(self) -> BackendInfo:
        """Load and compile the model. Raises ModelError for a model that cannot be used."""

    def remarks(self) -> Sequence[Remark]:
        """What is to be known of the model before it is run; `load` comes first."""
        return ()

    def sample_loader(self, dataset: Dataset) -> SampleLoader:
        """How LoadGen's samples get into memory, untimed; `load` comes first."""
        return dataset.load

    @abstractmethod
    def predict(self, images: Images) -> Scores:
        """Infer one batch of at most `max_batch_size` images and wait for it.

        The scores are valid until the next call. Raises whatever the runtime raises.
        """

    def padding(self, count: int) -> int:
        """Images that are added to `count` of them to fill a batch; their answers are dropped."""
        return 0

    def submit(self, images: Images, token: Any, listener: Listener) -> None:
        """Start one batch; `listener` gets `token` and the scores when it is done.

        Blocks while all requests are in flight, which bounds the memory. `images` must stay
        unchanged until then. This default infers at once, for backends without a queue.
        """
        try:
            scores = self.predict(images)
        except Exception as error:  # noqa: BLE001 - the listener reports whatever it is
            listener.failed(error)
        else:
            listener.completed(token, scores)

    def drain(self) -> None:
        """Wait until every submitted batch has been answered.

        Raises the runtime's error for a batch whose listener could not be told of it.
        """

    def profile(self, images: Images, inferences: int) -> Profile:
        """Time each layer over so many inferences of one full batch, after warming up.

        `load` comes first. What `predict` runs is not slowed down by it. Raises UsageError where
        the runtime tells no times (`profiles` is False).
        """
        raise UsageError(f"{type(self).__name__} does not report layer times.")

    def close(self) -> None:
        """Free the model and its threads."""


class NetworkBackend(Backend):
    """A system under test on other machines, which LoadGen reaches through a QDL.

    A query dispatch library takes each query to a node as it is: one sample, in no batch.
    """

    # MLPerf's network division is of the datacenter suite alone.
    scenarios = ("Server", "Offline")

    @abstractmethod
    def ask_names(self) -> tuple[str, ...]:
        """The nodes' unique names, asked for over the network now. Raises InferenceError."""

    @abstractmethod
    def served_model(self) -> Mapping[str, Any] | None:
        """The fields of results.json's `model`, where the nodes tell them; `load` comes first."""

    @abstractmethod
    def report(self, client_load: float) -> NetworkReport:
        """What is to be told of the nodes, after the test.

        `client_load` is the CPU time that this process took, over the time from the first query.
        """
