"""What serve.py is asked to write."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServingRequest:
    """None means: the model's file or description, or the engine, decides.

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
