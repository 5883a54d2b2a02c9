"""What a backend tells of the layers that it really executes, and how long each takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONVOLUTION = "convolution"
DEPTHWISE = "depthwise convolution"
LINEAR = "linear"
POOLING = "pooling"
ELEMENTWISE = "elementwise"
CONVERSION = "conversion"
"""Changes of layout or precision alone, which the runtime put in."""
OTHER = "other"


@dataclass(frozen=True)
class Layer:
    """One kernel of an inference, for its whole batch.

    `origins` are the operators of the model that it computes, by their names there, the one that
    it is named after first; none where the runtime put it in. `kernel` is the runtime's name of
    the implementation, `precision` what it computes in ("f32", "bf16", "int8", …). `macs` are the
    model's multiply-accumulates, `executed_macs` those of the kernel where it needs fewer, as
    Winograd's method does. Bytes are those of the tensors, each counted once. Channels are 0 where
    there are none to tell.
    """

    name: str
    kind: str
    origins: tuple[str, ...]
    kernel: str
    precision: str
    macs: int = 0
    executed_macs: int | None = None
    input_bytes: int = 0
    weight_bytes: int = 0
    output_bytes: int = 0
    input_channels: int = 0
    output_channels: int = 0


@dataclass(frozen=True)
class Profile:
    """`seconds` has a row for each measurement and a column for each of `layers`, which are in
    the order of their execution. A measurement is one inference, or the mean of several where the
    runtime tells no less. `graph` is the runtime's own drawing of what it executes, as the names
    and contents of files for Netron.
    """

    layers: tuple[Layer, ...]
    seconds: NDArray[np.float64]
    graph: tuple[tuple[str, bytes], ...] = ()
