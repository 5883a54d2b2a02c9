"""results.json: what a run was and what came out. Documented in docs/results.md."""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend import BackendInfo
from dataset import DatasetInfo
from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.core.machine import System
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.core.typed_json import from_plain

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
    """`top1` in percent: 100 × good / total. There is none for random weights."""

    top1: float
    good: int
    total: int


@dataclass(frozen=True)
class ColdStart:
    """From the start of loading to the first answer, in seconds, in a fresh process.

    `first_answer_seconds` is the sum of the others: reading, compiling and the inference of the
    first batch; for a backend that reports neither of the first two, all of loading takes their
    place.
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


IN_COLD_START = frozenset(field.name for field in dataclasses.fields(ColdStart))


@dataclass(frozen=True)
class Figures:
    """What LoadGen measured in a performance run, or in one of its tests."""

    latency_ms: dict[str, float]
    samples_per_second: float


@dataclass(frozen=True)
class Timing(Figures):
    """With LoadGen's verdict."""

    validity: str


@dataclass(frozen=True)
class LoadGenRecord:
    """LoadGen's version, seeds and the settings that it says it used."""

    version: str
    seeds: dict[str, int]
    settings: dict[str, Any]
    error_count: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run, as it is written and read.

    Timing figures are LoadGen's own (loadgen.detail_log.Performance).
    `validity` is None for an accuracy run, as LoadGen judges performance runs only; an accuracy
    run in which LoadGen counts an error is INVALID. `padded_images` were added to fill up batches.
    `cold_start` and `memory` are None where the model is on other machines. `tests` has the tests
    of a run with several (`--tests-per-run`), in their order. Fields with a default
    are missing in results of early versions.
    """

    schema_version: int
    created: str
    product: str
    command: list[str]
    config: RunConfig
    scenario: str
    mode: str
    rules: str
    rule_differences: list[str]
    validity: str | None
    invalid_reasons: list[str]
    latency_ms: dict[str, float] | None
    samples_per_second: float | None
    queries: int | None
    padded_images: int = 0
    early_stopping: str | None
    accuracy: AccuracyResult | None
    model: Model | None
    backend: BackendInfo
    dataset: DatasetInfo
    loadgen: LoadGenRecord
    system: System
    warnings: list[str]
    cold_start: ColdStart | None = None
    memory: Memory | None = None
    tests: list[Figures] = field(default_factory=list)

    @property
    def is_valid(self) -> bool:
        """Whether the figures stand: nothing said against them."""
        return self.validity != INVALID

    @property
    def timing(self) -> Timing:
        """Raises RunError for an accuracy run, which is not timed."""
        if self.latency_ms is None or self.samples_per_second is None or self.validity is None:
            raise RunError(f"The {self.mode} run of {self.created} has no timing figures.")
        return Timing(self.latency_ms, self.samples_per_second, self.validity)

    def to_json(self) -> str:
        """As it is written to results.json."""
        content = dataclasses.asdict(self) | {"backend": backend_fields(self.backend)}
        return json.dumps(content, indent=2, ensure_ascii=False, default=os.fspath) + "\n"


def backend_fields(info: BackendInfo) -> dict[str, Any]:
    """As JSON holds them, without those whose place is beside the first answer."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(info).items()
        if name not in IN_COLD_START
    }


def read_result(path: Path) -> Result:
    """Read what `to_json` gave, also in earlier versions.

    Raises OSError, or RunError for any other file: a sentence that names `path`.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("expected object")
        if "rows" in content:
            raise RunError(f"{path} belongs to a comparison.")
        if "schema_version" not in content:
            raise ValueError("it has no schema_version")
        version = content["schema_version"]
        if version != SCHEMA_VERSION:
            raise RunError(
                f"{path} has schema {version} instead of {SCHEMA_VERSION}: run it again."
            )
        return from_plain(content | {"config": _whole(content.get("config"))}, Result)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is not a result of main.py: {error}.") from error


def _whole(config: Any) -> Any:
    """With None for the options that did not exist yet."""
    if not isinstance(config, dict):
        return config
    return dict.fromkeys(field.name for field in dataclasses.fields(RunConfig)) | config
