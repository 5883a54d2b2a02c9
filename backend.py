"""The contract that every backend fulfils, and the backends by name.

To add a backend, write one module with a subclass of `Backend` and add one line to `BACKENDS`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from contracts.image import ImageFormat, Images, Scores
from contracts.registry import Registry

BACKENDS = Registry(
    "backend",
    {
        "null": "loadgen.null_backend:NullBackend",
        "openvino": "backend_openvino:OpenVINOBackend",
        "tvm": "backend_tvm:TVMBackend",
    },
)

Goal = Literal["latency", "throughput"]


@dataclass(frozen=True)
class BackendConfig:
    """What a backend is asked to do.

    `threads` and `streams` are None where the backend shall choose. `variable_batch` says that
    batches of any size up to `max_batch_size` are to be expected (otherwise nearly all are full).
    """

    model: Path | None
    image: ImageFormat
    goal: Goal
    max_batch_size: int
    variable_batch: bool
    threads: int | None
    streams: int | None
    precision: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    data_format: str | None
    cache_dir: Path


@dataclass(frozen=True)
class BackendInfo:
    """What the backend really does, read back from the runtime after loading.

    `max_batch_size` is the largest batch that one request takes, `requests` how many requests
    it keeps in flight. `executed_precision` is what the runtime computes in, which need not be
    what was asked for. `int8_can_overflow` says that this CPU's INT8 kernels may add the products
    of this model's weights wrongly.
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


class Listener(Protocol):
    """Who is told of the requests that `Backend.submit` started. Called from any thread."""

    def completed(self, token: Any, scores: Scores) -> None:
        """`scores` is valid only during the call."""

    def failed(self, error: BaseException) -> None: ...


class Backend(ABC):
    """Runs one model. Life cycle: construct, `load`, any number of calls, `close`.

    `accepts` names the command-line options about the model that this backend honours; the
    others are refused.
    """

    accepts: ClassVar[frozenset[str]]

    def __init__(self, config: BackendConfig) -> None:
        self.config = config

    @abstractmethod
    def load(self) -> BackendInfo:
        """Load and compile the model. Raises ModelError for a model that cannot be used."""

    @abstractmethod
    def predict(self, images: Images) -> Scores:
        """Infer one batch of at most `max_batch_size` images and wait for it.

        The scores are valid until the next call. Raises whatever the runtime raises.
        """

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

    def close(self) -> None:
        """Free the model and its threads."""
