"""How long a run will take and what it will need, found out before it starts."""

import math
from typing import Any

import psutil

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.loadgen.probe import Probe
from mlperf_benchmark.loadgen.settings import MS, NS

# Measured: 180 a sample in Offline, 300 a query in SingleStream, 600 one of 8 in MultiStream.
BYTES_PER_QUERY = 300
BYTES_PER_SAMPLE_OF_A_QUERY = 75
GB = 1e9


def expected_seconds(config: RunConfig, settings: Any, count: int, probe: Probe) -> float:
    """From probe and settings: the duration asked for, or longer if the queries need it."""
    rate = probe.samples_per_second
    if config.accuracy:
        return _accuracy_samples(config, settings, count) / rate
    shortest: float = settings.min_duration_ms / MS
    longest: float = settings.max_duration_ms / MS or float("inf")
    queries: int = settings.min_query_count
    if config.scenario == "Offline":
        return made_up_queries(config, settings) / rate
    if config.scenario == "Server":
        needed = made_up_queries(config, settings) / min(rate, float(settings.server_target_qps))
    elif config.scenario == "MultiStream":
        needed = queries * int(settings.multi_stream_samples_per_query) / rate
    else:
        needed = queries * probe.latency
    return max(shortest, min(needed, longest))


def made_up_queries(config: RunConfig, settings: Any) -> float:
    """Queries that LoadGen prepares for a performance run; in Offline, samples of its one."""
    rate: float = {
        "SingleStream": NS / max(1, settings.single_stream_expected_latency_ns),
        "MultiStream": NS / max(1, settings.multi_stream_expected_latency_ns),
        "Server": settings.server_target_qps,
        "Offline": 1.1 * settings.offline_expected_qps,
    }[config.scenario]
    shortest: float = settings.min_duration_ms / MS
    return max(float(settings.min_query_count), shortest * rate)


def check_memory(config: RunConfig, settings: Any, count: int) -> None:
    """Raises UsageError where LoadGen would fill the memory and be killed without a message."""
    samples = int(settings.multi_stream_samples_per_query) if _is_multi(config) else 1
    if config.accuracy:
        queries = _accuracy_samples(config, settings, count) / samples
    else:
        queries = made_up_queries(config, settings)
    needed = queries * max(BYTES_PER_QUERY, BYTES_PER_SAMPLE_OF_A_QUERY * samples)
    free = psutil.virtual_memory().available
    if needed > free:
        cures = [
            "use fewer images with --count" if config.accuracy else "shorten the run with --time"
        ]
        if samples > 1:
            cures.append("give fewer --samples-per-query")
        raise UsageError(
            f"LoadGen prepares its queries beforehand: {queries:,.0f} of {samples} samples at this "
            f"speed need about {needed / GB:.0f} GB, and {free / GB:.0f} GB are free: "
            f"{' or '.join(cures)}."
        )


def _accuracy_samples(config: RunConfig, settings: Any, count: int) -> int:
    """Each sample once; MultiStream fills up its last query."""
    samples = int(settings.multi_stream_samples_per_query) if _is_multi(config) else 1
    return math.ceil(count / samples) * samples


def _is_multi(config: RunConfig) -> bool:
    return config.scenario == "MultiStream"
