"""Reads mlperf_log_detail.txt, the one source of latencies, throughput and verdicts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.loadgen.log_files import DETAIL

MARK = ":::MLLOG "
PERCENTILES = {
    "p50": "50.00",
    "p90": "90.00",
    "p95": "95.00",
    "p97": "97.00",
    "p99": "99.00",
    "p99.9": "99.90",
}
NS_PER_MS = 1e6


@dataclass(frozen=True)
class DetailLog:
    """The first value of each key, which counts for MLCommons' checkers, and LoadGen's errors."""

    values: dict[str, Any]
    errors: tuple[str, ...]

    def effective(self, name: str) -> Any:
        """A setting as LoadGen used it, after configuration files, overrides and audit."""
        return self.values[f"effective_{name}"]


@dataclass(frozen=True)
class Performance:
    """A performance test's outcome in LoadGen's own figures; latencies in milliseconds.

    Latencies are a sample's in SingleStream, Server and Offline (there: since the start of the
    one query), a query's in MultiStream. `samples_per_second` is LoadGen's own figure but for
    MultiStream, where it is the samples of a query over LoadGen's mean query latency. In a run
    with pauses it is LoadGen's figure without what lies between the queries. `tests` has the
    outcomes of the tests of a run with several.
    """

    valid: bool
    invalid_reasons: tuple[str, ...]
    loadgen_errors: int
    latency_ms: dict[str, float]
    samples_per_second: float
    queries: int
    early_stopping: str
    tests: "tuple[Performance, ...]" = ()


def read_detail_log(folder: Path) -> DetailLog:
    """Parse the detail log in `folder`. RunError when LoadGen wrote none or cut it short."""
    path = folder / DETAIL
    values: dict[str, Any] = {}
    errors = []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.startswith(MARK):
                    key, value, is_error = _entry(number, line[len(MARK) :])
                    values.setdefault(key, value)
                    if is_error:
                        errors.append(str(value))
                elif number == 1:
                    raise ValueError("line 1 is not an entry of LoadGen's")
    except (OSError, ValueError) as error:
        raise RunError(f"LoadGen left no readable detail log at {path}: {error}.") from error
    if "effective_scenario" not in values:
        raise RunError(f"LoadGen's detail log {path} ends before the test began.")
    return DetailLog(values=values, errors=tuple(errors))


def _entry(line: int, text: str) -> tuple[str, Any, bool]:
    """Key and value, and whether it is an error. Raises ValueError for what LoadGen never logs."""
    try:
        entry = json.loads(text)
        key, value, is_error = entry["key"], entry["value"], entry["metadata"]["is_error"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"line {line} is not an entry of LoadGen's") from error
    if not isinstance(key, str):
        raise ValueError(f"line {line} is not an entry of LoadGen's")
    return key, value, bool(is_error)


def performance(log: DetailLog, paused: bool = False) -> Performance:
    """The figures of a performance test. RunError when the log holds no result.

    `paused` tells that there were pauses between its queries.
    """
    if "result_validity" not in log.values:
        raise RunError("LoadGen ended without a result; its detail log says why.")
    try:
        return _performance(log, paused)
    except KeyError as error:
        raise RunError(f"LoadGen's detail log is cut short: it lacks {error}.") from error


def _performance(log: DetailLog, paused: bool) -> Performance:
    values = log.values
    early_stopping = " ".join(str(values.get("early_stopping_result", "")).split())
    reasons = []
    if values["result_validity"] != "VALID":
        # Empty if only early stopping is against it.
        reason = str(values.get("result_invalid_reason", "")).strip()
        reasons.append(reason or f"Early stopping is not satisfied: {early_stopping}")
    reasons.extend(log.errors)
    errors = int(values["num_errors"])
    if errors > 0 and not log.errors:
        reasons.append(f"LoadGen counted {errors} errors.")
    return Performance(
        valid=values["result_validity"] == "VALID" and errors == 0,
        invalid_reasons=tuple(reasons),
        loadgen_errors=errors,
        latency_ms=_latencies(values),
        samples_per_second=_samples_per_second(values, paused),
        queries=int(values["result_query_count"]),
        early_stopping=early_stopping,
    )


def _latencies(values: dict[str, Any]) -> dict[str, float]:
    per_query = values["effective_scenario"] == "MultiStream"
    kind = "query_latency" if per_query else "latency"
    keys = {name: f"result_{name}_{kind}_ns" for name in ("mean", "min", "max")}
    suffix = "per_query_latency_ns" if per_query else "latency_ns"
    for name, percentile in PERCENTILES.items():
        keys[name] = f"result_{percentile}_percentile_{suffix}"
    return {name: float(values[key]) / NS_PER_MS for name, key in keys.items()}


def _samples_per_second(values: dict[str, Any], paused: bool) -> float:
    scenario = values["effective_scenario"]
    if scenario == "MultiStream":
        seconds = float(values["result_mean_query_latency_ns"]) / 1e9
        return float(values["effective_samples_per_query"]) / seconds
    key = {
        "SingleStream": f"result_qps_{'without' if paused else 'with'}_loadgen_overhead",
        "Server": "result_completed_samples_per_sec",
        "Offline": "result_samples_per_second",
    }[scenario]
    return float(values[key])
