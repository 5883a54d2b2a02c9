"""Puts together the result of a run."""

import dataclasses
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

from backend import Backend, BackendInfo, NetworkBackend
from dataset import DatasetInfo
from mlperf_benchmark.core.files import Hashes
from mlperf_benchmark.core.image_format import Scores
from mlperf_benchmark.core.machine import describe_system
from mlperf_benchmark.core.node_info import NetworkReport
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.core.versions import PRODUCT
from mlperf_benchmark.loadgen.detail_log import DetailLog, Performance
from mlperf_benchmark.loadgen.rules import SEEDS, Rules
from mlperf_benchmark.models.files.description import ModelDescription
from mlperf_benchmark.models.files.model_files import model_files
from mlperf_benchmark.run.accuracy import Accuracy
from mlperf_benchmark.run.padding import Padding
from mlperf_benchmark.run.result import (
    INVALID,
    SCHEMA_VERSION,
    VALID,
    AccuracyResult,
    ColdStart,
    Figures,
    LoadGenRecord,
    Memory,
    Model,
    Result,
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one run yielded: `performance` or `accuracy`, depending on its mode.

    `network` is None for a backend in this process. `scores` are kept by an accuracy run only.
    """

    log: DetailLog
    rules: Rules
    performance: Performance | None
    accuracy: Accuracy | None
    network: NetworkReport | None
    padding: Padding
    cold_start: ColdStart | None
    memory: Memory | None
    scores: Scores | None = None

    def with_accuracy(self, accuracy: Accuracy) -> "Outcome":
        return dataclasses.replace(self, accuracy=accuracy)


def build_result(
    config: RunConfig,
    outcome: Outcome,
    *,
    model: Model | None,
    info: BackendInfo,
    dataset: DatasetInfo,
    warnings: Sequence[str],
) -> Result:
    """Put the result together."""
    log, performance, accuracy = outcome.log, outcome.performance, outcome.accuracy
    tests = performance.tests if performance else ()
    reasons = list(performance.invalid_reasons) if performance else list(log.errors)
    network_reasons = outcome.network.invalid_reasons if outcome.network else ()
    validity = None
    if performance:
        validity = VALID if performance.valid and not network_reasons else INVALID
    elif log.errors or network_reasons:
        validity = INVALID
    return Result(
        schema_version=SCHEMA_VERSION,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        product=PRODUCT,
        command=[Path(sys.argv[0]).name, *sys.argv[1:]],
        config=config,
        scenario=config.scenario,
        mode="accuracy" if config.accuracy else "performance",
        rules=outcome.rules.name,
        rule_differences=list(outcome.rules.differences),
        validity=validity,
        invalid_reasons=[*reasons, *network_reasons],
        latency_ms=performance.latency_ms if performance else None,
        samples_per_second=performance.samples_per_second if performance else None,
        queries=performance.queries if performance else None,
        padded_images=outcome.padding.padded,
        early_stopping=performance.early_stopping if performance else None,
        accuracy=accuracy_result(accuracy) if accuracy else None,
        model=model,
        backend=_backend(info, outcome.network),
        dataset=dataset,
        loadgen=_loadgen(log),
        system=describe_system(),
        warnings=list(warnings),
        cold_start=outcome.cold_start,
        memory=outcome.memory,
        tests=[Figures(test.latency_ms, test.samples_per_second) for test in tests],
    )


def describe_model(path: Path, description: ModelDescription | None, hashes: Hashes) -> Model:
    """The model's identity: that of all files that a runtime reads. Raises ModelError."""
    parts = model_files(path)
    return Model(
        path=str(path),
        sha256=hashes.of(*parts),
        bytes=sum(part.stat().st_size for part in parts),
        description=dataclasses.asdict(description) if description else None,
    )


def served_model(backend: Backend) -> Model | None:
    """What the nodes say about their model; None for a backend in this process."""
    fields = backend.served_model() if isinstance(backend, NetworkBackend) else None
    return Model(**fields) if fields else None


def _backend(info: BackendInfo, network: NetworkReport | None) -> BackendInfo:
    return info if network is None else dataclasses.replace(info, nodes=network.nodes)


def accuracy_result(accuracy: Accuracy) -> AccuracyResult:
    """As it stands in results.json."""
    return AccuracyResult(
        top1=round(100 * accuracy.good / accuracy.total, 4),
        good=accuracy.good,
        total=accuracy.total,
    )


def _loadgen(log: DetailLog) -> LoadGenRecord:
    settings = {
        key.removeprefix("effective_"): value
        for key, value in log.values.items()
        if key.startswith("effective_")
    }
    return LoadGenRecord(
        version=str(log.values["loadgen_version"]),
        seeds={name: int(settings[name]) for name in SEEDS},
        settings=settings,
        error_count=int(log.values.get("num_errors", len(log.errors))),
    )
