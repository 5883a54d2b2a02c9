"""explain.json: what was measured of each layer, and what follows from it."""

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
    """A median, and the quartiles beside it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Stream:
    """Reading `bytes` again and again."""

    bytes: int
    gigabytes_per_second: float


@dataclass(frozen=True)
class Peaks:
    """What `threads` threads of this machine reach at most, measured beside the models.

    `gops` are 1e9 operations a second by precision, two for a multiply-accumulate. `lanes` is how
    many 32-bit numbers a vector register holds.
    """

    threads: int
    lanes: int
    gops: Mapping[str, float]
    streams: tuple[Stream, ...]


@dataclass(frozen=True)
class LayerRecord:
    """One layer of a variant; see core.layer_profile.Layer for what the runtime tells.

    `operator` is what it is matched by: the operator of the model that it is named after. `share`
    is of the sum of all layers. `bound_ms` is the least that the machine's peaks allow, `gops`
    what was reached, `peak_share` and `stream_share` how near that is to the arithmetic peak and to
    a stream of as many bytes; None without multiply-accumulates or where the peak is not known.
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


@dataclass(frozen=True)
class Variant:
    """One model. `latency_ms` is of whole inferences without profiling, `layers_ms` the sum of
    the layers' medians. `graph` are files of what was executed, for Netron.
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
        """How far the sum of layers is from the latency, as a part of it."""
        return self.layers_ms / self.latency_ms.value - 1


@dataclass(frozen=True)
class Statement:
    """One thing that a rule found of `variant`, with the milliseconds that it costs."""

    rule: str
    variant: str
    text: str
    lost_ms: float = 0.0
    advice: str = ""
    operators: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """The first of `variants` is the baseline. `statements` are the worst first.

    `accuracy` is what was found of the layers' errors, where that was asked for.
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
        """As it is written to explain.json."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"
