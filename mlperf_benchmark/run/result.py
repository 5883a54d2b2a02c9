"""results.json: what a run was and what came out. Documented in docs/results.md."""

import dataclasses
from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 1

VALID = "VALID"
INVALID = "INVALID"


@dataclass(frozen=True)
class Model:
    """The model file. `sha256` and `bytes` are of all files that the runtime reads: of an .xml with
    its .bin, of an .onnx with its external data, one after the other.

    `description` is what stands beside a prepared model as FILE.json, where there is one.
    """

    path: str
    sha256: str
    bytes: int
    description: dict[str, Any] | None


@dataclass(frozen=True)
class AccuracyResult:
    """`top1` in percent: 100 × good / total. None of it for weights that are random."""

    top1: float
    good: int
    total: int


@dataclass(frozen=True)
class ColdStart:
    """From the start of loading to the first answer, in seconds, in a fresh process.

    `first_answer_seconds` is the sum of the others: reading, compiling and the inference of the
    first batch; of a backend that tells neither of the first two, loading takes their place.
    """

    read_seconds: float | None
    compile_seconds: float | None
    first_inference_seconds: float
    first_answer_seconds: float
    from_model_cache: bool | None


@dataclass(frozen=True)
class Memory:
    """Of this process, by the kernel's counters of resident memory.

    `before_bytes`: with Python and the runtime, before the model; `model_bytes`: what loading and
    warming up added; `load_peak_bytes` and `peak_bytes`: the most while loading, and in the run.
    """

    before_bytes: int
    model_bytes: int
    load_peak_bytes: int
    peak_bytes: int


@dataclass(frozen=True)
class LoadGenRecord:
    """LoadGen's version, seeds and the settings that it says it used."""

    version: str
    seeds: dict[str, int]
    settings: dict[str, Any]
    error_count: int


@dataclass(frozen=True)
class Result:
    """One run. Timing figures are LoadGen's own (loadgen.detail_log.Performance).

    `validity` is None for an accuracy run, as LoadGen judges performance runs only; an accuracy
    run in which LoadGen counts an error is INVALID. `padded_images` were added to fill up batches.
    `cold_start` and `memory` are None where the model is on other machines.
    """

    schema_version: int
    created: str
    product: str
    command: list[str]
    config: dict[str, Any]
    scenario: str
    mode: str
    rules: str
    rule_differences: list[str]
    validity: str | None
    invalid_reasons: list[str]
    latency_ms: dict[str, float] | None
    samples_per_second: float | None
    queries: int | None
    padded_images: int
    early_stopping: str | None
    accuracy: AccuracyResult | None
    model: Model | None
    backend: dict[str, Any]
    dataset: dict[str, Any]
    loadgen: LoadGenRecord
    system: dict[str, Any]
    warnings: list[str]
    cold_start: ColdStart | None = None
    memory: Memory | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the figures stand: nothing said against them."""
        return self.validity != INVALID

    def to_dict(self) -> dict[str, Any]:
        """As it is written to results.json."""
        return dataclasses.asdict(self)
