"""What a backend reports of the layers that it executes, and how long each takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONVOLUTION = "convolution"
DEPTHWISE = "depthwise convolution"
LINEAR = "linear"
POOLING = "pooling"
ELEMENTWISE = "elementwise"
CONVERSION = "conversion"
"""The kind of layers that the runtime added only to change layout or precision."""
OTHER = "other"


@dataclass(frozen=True)
class Layer:
    """One kernel of an inference, for its whole batch.

    `origins` names the model's operators that the kernel computes, beginning with the one that the
    layer is named after; it is empty if the runtime added the layer. `kernel` is the runtime's name
    of the implementation, `precision` the type it computes in ("f32", "bf16", "int8", …). `macs`
    are the model's multiply-accumulates; `executed_macs` are those of the kernel, which may need
    fewer, as Winograd's method does. The byte counts include each tensor once. Channels are 0 if
    they are not defined or not known.
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
    """The layers of a model and their times.

    `seconds` has a row for each measurement and a column for each of `layers`, which are in
    execution order. A measurement is one inference, or the mean of several if the runtime reports
    only means. `graph` maps the names of files that show the executed graph in Netron to their
    contents.
    """

    layers: tuple[Layer, ...]
    seconds: NDArray[np.float64]
    graph: tuple[tuple[str, bytes], ...] = ()
