"""Finished runs of a full submission, which no test has the hours to make.

Short runs left the values in fixtures/submission/loadgen_values.json; here they become what LoadGen
logs in runs of full length on 50,000 samples.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backend import BackendInfo
from dataset import DatasetInfo
from mlperf_benchmark.core.machine import describe_system
from mlperf_benchmark.core.versions import PRODUCT
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.resolve import resolve
from mlperf_benchmark.run.result import AccuracyResult, LoadGenRecord, Model, Result

VALUES = Path(__file__).parents[1] / "fixtures" / "submission" / "loadgen_values.json"
SAMPLES = 50_000
LOGGED_BY_TEST01 = 4096
WRONG_EVERY = 5
AUDIT: Mapping[str, dict[str, Any]] = {
    "performance": {},
    "accuracy": {},
    "TEST01": {"effective_accuracy_log_sampling_target": LOGGED_BY_TEST01},
    "TEST04": {"effective_performance_issue_same": True},
}
DESCRIPTION = {
    "architecture": "resnet50",
    "weights": {"source": "torchvision", "sha256": "00" * 32, "seed": None},
    "dataset": "imagenet_pytorch",
    "input_size": 224,
    "precision": "int8",
    "size": {"gmacs": 2.05, "parameters": 13_000_000},
    "unpruned_size": {"gmacs": 4.089, "parameters": 25_557_032},
    "pruning": {
        "method": "magnitude",
        "scope": "global",
        "ratio": 0.5,
        "batch_norm": {"path": "/data/own", "count": 300, "list_sha256": "00" * 32, "seed": 0},
    },
    "fine_tuning": {"epochs": 3},
    "quantization": {"method": "ptq", "preset": "mixed", "calibration": {"count": 500}},
    "tools": {"nncf": "3.4.0", "openvino": "2026.4.1"},
    "files": {"resnet50_int8.xml": "00" * 32, "resnet50_int8.bin": "00" * 32},
}


def label(sample: int) -> int:
    return sample % 1000


def write_runs(folder: Path, scenarios: Iterable[str], kinds: Iterable[str]) -> Path:
    """Write runs of full length to `folder`/runs; returns that folder."""
    images = folder / "imagenet"
    images.mkdir(parents=True)
    listed = "".join(f"{sample}.JPEG {label(sample)}\n" for sample in range(SAMPLES))
    (images / "val_map.txt").write_text(listed)
    sha256 = hashlib.sha256(listed.encode()).hexdigest()
    recorded = json.loads(VALUES.read_text())
    kinds = tuple(kinds)
    for scenario in scenarios:
        for kind in kinds:
            values = recorded[scenario]["accuracy" if kind == "accuracy" else "performance"]
            run = folder / "runs" / scenario / kind
            run.mkdir(parents=True)
            write_detail(run / "mlperf_log_detail.txt", lengthened(values) | AUDIT[kind])
            (run / "mlperf_log_summary.txt").write_text("MLPerf Results Summary\n")
            samples = {"accuracy": range(SAMPLES), "TEST01": range(0, SAMPLES, 12)}.get(kind, ())
            write_answers(run / "mlperf_log_accuracy.json", samples)
            (run / "results.json").write_text(_result(scenario, kind, images, sha256).to_json())
    return folder / "runs"


def lengthened(values: Mapping[str, Any]) -> dict[str, Any]:
    """The log of a run of full length."""
    offline = values["effective_scenario"] == "Offline"
    return {
        **values,
        "qsl_reported_total_count": SAMPLES,
        "qsl_reported_performance_count": 1024,
        "effective_min_duration_ms": 600_000,
        "effective_max_duration_ms": 0,
        "effective_performance_sample_count": 1024,
        "effective_accuracy_sample_count": SAMPLES,
        "effective_samples_per_query": 49_630 if offline else values["effective_samples_per_query"],
    }


def write_detail(path: Path, values: Mapping[str, Any], errors: Iterable[str] = ()) -> None:
    """Write a detail log in LoadGen's form."""
    lines = [_entry(key, value, False) for key, value in values.items()]
    lines += [_entry("error_runtime", error, True) for error in errors]
    path.write_text("".join(lines))


def read_detail(path: Path) -> dict[str, Any]:
    entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in path.read_text().splitlines()]
    return {entry["key"]: entry["value"] for entry in entries}


def write_answers(path: Path, samples: Iterable[int], shift: int = 0) -> None:
    """Write an accuracy log in which every fifth answer is wrong."""
    lines = []
    for number, sample in enumerate(samples):
        answer = label(sample) + (sample % WRONG_EVERY == 0) + shift
        data = np.float32(answer).tobytes().hex().upper()
        lines.append(
            f'{{ "seq_id" : {number}, "qsl_idx" : {sample}, "data" : "{data}", "token_count" : 0 }}'
        )
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def _entry(key: str, value: Any, is_error: bool) -> str:
    entry = {"key": key, "value": value, "metadata": {"is_error": is_error, "is_warning": False}}
    return f":::MLLOG {json.dumps(entry)}\n"


def _result(scenario: str, kind: str, images: Path, list_sha256: str) -> Result:
    accuracy = kind == "accuracy"
    model = "/models/resnet50_int8.xml"
    options = ["--profile", "pytorch-openvino", "--model", model, "--dataset-path", str(images)]
    options += ["--scenario", scenario, *(["--accuracy"] if accuracy else [])]
    latency = dict.fromkeys(("mean", "p50", "p90", "p99"), 20.0)
    good = sum(sample % WRONG_EVERY != 0 for sample in range(SAMPLES))
    return Result(
        schema_version=1,
        created="2026-01-01T00:00:00+00:00",
        product=PRODUCT,
        command=["main.py", "--model", model],
        config=resolve(parse(options)),
        scenario=scenario,
        mode="accuracy" if accuracy else "performance",
        rules="official",
        rule_differences=[],
        validity=None if accuracy else "VALID",
        invalid_reasons=[],
        latency_ms=None if accuracy else latency,
        samples_per_second=None if accuracy else 50.0,
        queries=None if accuracy else 30_000,
        padded_images=0,
        early_stopping=None,
        accuracy=AccuracyResult(100 * good / SAMPLES, good, SAMPLES) if accuracy else None,
        model=Model(model, "11" * 32, 1, DESCRIPTION),
        backend=BackendInfo(
            name="openvino",
            version="2026.4.1-1",
            input_name="input",
            output_name="logits",
            data_format="NCHW",
            classes=1000,
            max_batch_size=1,
            requests=2,
            threads=2,
            streams=2,
            executed_precision="int8",
        ),
        dataset=DatasetInfo("imagenet_pytorch", str(images), SAMPLES, list_sha256, "val_map.txt"),
        loadgen=LoadGenRecord("6.0.17", {}, {}, 0),
        system=describe_system(),
        warnings=[],
    )
