"""The content of explain.json: what was measured of each layer, and the conclusions."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlperf_benchmark.explain.layer_errors_record import Accuracy

KIND = "explanation"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Spread:
    """A median with its lower and upper quartile."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Stream:
    """The bandwidth of reading the same `bytes` repeatedly."""

    bytes: int
    gigabytes_per_second: float


@dataclass(frozen=True)
class Peaks:
    """The highest rates that `threads` threads of this machine reach, measured beside the models.

    `gops` maps a precision to 1e9 operations per second; a multiply-accumulate is two operations.
    `lanes` is the number of 32-bit values in a vector register.
    """

    threads: int
    lanes: int
    gops: Mapping[str, float]
    streams: tuple[Stream, ...]


@dataclass(frozen=True)
class LayerRecord:
    """One layer of a variant; core.layer_profile.Layer explains the fields that the runtime
    reports.

    `operator` is the name that layers are matched by: the model operator that the layer is named
    after. `share` is the layer's part of the sum of all layers. `bound_ms` is the shortest time
    that the machine's peaks allow, and `gops` is the rate reached. `peak_share` and `stream_share`
    compare the layer with the arithmetic peak and with a stream of as many bytes; they are None
    without multiply-accumulates or if the peak is not known.
    """

    name: str
    operator: str
    kind: str
    origins: tuple[str, ...]
    kernel: str
    precision: str
    macs: int
    executed_macs: int
    input_bytes: int
    weight_bytes: int
    output_bytes: int
    input_channels: int
    output_channels: int
    ms: Spread
    share: float
    bound_ms: float
    gops: float | None
    peak_share: float | None
    stream_share: float | None

    @property
    def bytes(self) -> int:
        """All that the layer reads and writes."""
        return self.input_bytes + self.weight_bytes + self.output_bytes


@dataclass(frozen=True)
class Variant:
    """One model and its layers.

    `latency_ms` is that of whole inferences without profiling, `layers_ms` the sum of the layers'
    medians. `graph` names the files that show the executed graph in Netron.
    """

    name: str
    model: str
    backend: str
    version: str
    threads: int
    executed_precision: str
    batch: int
    latency_ms: Spread
    layers_ms: float
    layers: tuple[LayerRecord, ...]
    graph: tuple[str, ...] = ()

    @property
    def unaccounted(self) -> float:
        """The difference between the latency and the sum of the layers, as a fraction of the
        latency.
        """
        return self.layers_ms / self.latency_ms.value - 1


@dataclass(frozen=True)
class Statement:
    """One finding of a rule about `variant`, with the milliseconds that it costs."""

    rule: str
    variant: str
    text: str
    lost_ms: float = 0.0
    advice: str = ""
    operators: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """The whole explanation: `variants`, of which the first is the baseline, and `statements`.

    The most expensive statements come first. `accuracy` holds the errors of the layers if
    --accuracy asked for them.
    """

    created: str
    product: str
    command: tuple[str, ...]
    inferences: int
    peaks: Peaks
    variants: tuple[Variant, ...]
    statements: tuple[Statement, ...]
    system: Mapping[str, Any]
    accuracy: Accuracy | None = None
    kind: str = KIND
    schema_version: int = SCHEMA_VERSION
    warnings: tuple[str, ...] = field(default=())

    def to_json(self) -> str:
        """Return the text of explain.json."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"
