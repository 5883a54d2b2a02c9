"""How long a run will take, said before it starts."""

from typing import Any

from contracts.config import RunConfig
from loadgen.probe import Probe

MS = 1000


def expected_seconds(config: RunConfig, settings: Any, count: int, probe: Probe) -> float:
    """From the probe and the settings: the duration asked for, or longer where queries want it."""
    rate = probe.samples_per_second
    if config.accuracy:
        return count / rate
    shortest: float = settings.min_duration_ms / MS
    longest: float = settings.max_duration_ms / MS or float("inf")
    queries: int = settings.min_query_count
    if config.scenario == "Offline":
        samples = max(queries, 1.1 * shortest * settings.offline_expected_qps)
        return float(samples / rate)
    if config.scenario == "Server":
        needed = queries / float(settings.server_target_qps)
    elif config.scenario == "MultiStream":
        needed = queries * int(settings.multi_stream_samples_per_query) / rate
    else:
        needed = queries * probe.latency
    return max(shortest, min(needed, longest))
