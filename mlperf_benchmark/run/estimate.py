"""How long a run will take and what it will need, found out before it starts."""

from typing import Any

import psutil

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.loadgen.probe import Probe
from mlperf_benchmark.loadgen.settings import MS, NS

# Measured: 180 a sample in Offline, 300 a query in SingleStream, 600 one of 8 in MultiStream.
BYTES_PER_QUERY = 300
GB = 1e9


def expected_seconds(config: RunConfig, settings: Any, count: int, probe: Probe) -> float:
    """From the probe and the settings: the duration asked for, or longer where queries want it."""
    rate = probe.samples_per_second
    if config.accuracy:
        return count / rate
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
    """Queries that LoadGen makes up before a performance run; in Offline, samples of its one."""
    rate: float = {
        "SingleStream": NS / max(1, settings.single_stream_expected_latency_ns),
        "MultiStream": NS / max(1, settings.multi_stream_expected_latency_ns),
        "Server": settings.server_target_qps,
        "Offline": 1.1 * settings.offline_expected_qps,
    }[config.scenario]
    shortest: float = settings.min_duration_ms / MS
    return max(float(settings.min_query_count), shortest * rate)


def check_memory(config: RunConfig, settings: Any) -> None:
    """Raises UsageError where LoadGen would fill the memory and be killed without a word."""
    if config.accuracy:
        return
    queries = made_up_queries(config, settings)
    needed, free = queries * BYTES_PER_QUERY, psutil.virtual_memory().available
    if needed > free:
        raise UsageError(
            f"LoadGen makes up its queries beforehand: at this speed {queries / 1e6:.0f} million, "
            f"in about {needed / GB:.0f} GB, and {free / GB:.0f} GB are free. Shorten the run with "
            f"--time."
        )
