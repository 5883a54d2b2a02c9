"""What serve.py is asked to write."""

from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.preprocessing import ModelCard


@dataclass(frozen=True)
class ServingRequest:
    """None means: the model's file or description, or the engine, decides.

    Of the user's own model, `model_card` is a file and `card` what the command line says.
    `queue_delay_us` is how long Triton may hold a request back to fill a batch, in microseconds.
    """

    model: Path
    output: Path
    name: str | None = None
    dataset: str | None = None
    backend: str | None = None
    payload: str = "pixels"
    precision: str | None = None
    instances: int = 1
    max_batchsize: int = 8
    queue_delay_us: int = 0
    threads: int | None = None
    model_card: Path | None = None
    card: ModelCard | None = None
    labels_offset: int | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    data_format: str | None = None
