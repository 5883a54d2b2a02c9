"""How far a run is from MLPerf's rules, by the settings that LoadGen says it used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlperf_benchmark.loadgen.detail_log import DetailLog
from mlperf_benchmark.loadgen.settings import MS, official_settings

# The images that MLPerf wants accuracy of image classification measured on.
IMAGENET_VALIDATION_IMAGES = 50_000
SEEDS = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed")
# Which samples the queries ask for. Some compliance tests change it.
SAMPLE_CHOICE = (
    "performance_issue_unique",
    "performance_issue_same",
    "sample_concatenate_permutation",
)


@dataclass(frozen=True)
class Rules:
    """How far a run is from MLPerf's rules.

    `name` is official, shortened (in time or queries alone) or modified; `differences` say how.
    """

    name: str
    differences: tuple[str, ...]

    def with_modifications(self, differences: tuple[str, ...]) -> "Rules":
        """The same rules with further differences, none of them in time or queries."""
        if not differences:
            return self
        return Rules("modified", (*self.differences, *differences))


def rules(log: DetailLog, model_name: str) -> Rules:
    """Compare the settings that LoadGen says it used with the official ones."""
    scenario = log.values["effective_scenario"]
    official = official_settings(model_name, scenario)
    shortened = _shortened(log, official, scenario)
    modified = _modified(log, official, scenario)
    name = "modified" if modified else "shortened" if shortened else "official"
    return Rules(name=name, differences=(*shortened, *modified))


def _shortened(log: DetailLog, official: Any, scenario: str) -> list[str]:
    differences: list[str] = []
    if _is_accuracy(log):
        return differences
    minimum, maximum = log.effective("min_duration_ms"), log.effective("max_duration_ms")
    if minimum < official.min_duration_ms:
        differences.append(
            f"minimum duration {minimum / MS:g} s instead of {official.min_duration_ms / MS:g} s"
        )
    elif 0 < maximum < official.min_duration_ms:
        differences.append(f"maximum duration {maximum / MS:g} s")
    offline = scenario == "Offline"
    queries = log.effective("samples_per_query" if offline else "min_query_count")
    if queries < official.min_query_count:
        unit = "samples" if offline else "queries"
        differences.append(f"at least {queries} {unit} instead of {official.min_query_count}")
    return differences


def _modified(log: DetailLog, official: Any, scenario: str) -> list[str]:
    differences: list[str] = []
    if _is_accuracy(log):
        used, wanted = log.effective("accuracy_sample_count"), IMAGENET_VALIDATION_IMAGES
        if used < wanted:
            differences.append(f"accuracy of {used} images instead of {wanted}")
    else:
        used = log.effective("performance_sample_count")
        wanted = official.performance_sample_count_override
        if used < wanted:
            differences.append(f"{used} samples in memory instead of {wanted}")
    expected = _expected_values(official, scenario)
    for name, value in expected.items():
        used = log.effective(name)
        worse = used > value if name == "target_latency_ns" else used != value
        if worse:
            differences.append(f"{name.replace('_', ' ')} {used} instead of {value}")
    return differences


def _expected_values(official: Any, scenario: str) -> Mapping[str, float]:
    values: dict[str, float] = {name: getattr(official, name) for name in (*SEEDS, *SAMPLE_CHOICE)}
    if scenario == "MultiStream":
        values["samples_per_query"] = official.multi_stream_samples_per_query
        values["target_latency_percentile"] = official.multi_stream_target_latency_percentile
    elif scenario == "SingleStream":
        values["target_latency_percentile"] = official.single_stream_target_latency_percentile
    elif scenario == "Server":
        values["target_latency_percentile"] = official.server_target_latency_percentile
        values["target_latency_ns"] = official.server_target_latency_ns
    return values


def _is_accuracy(log: DetailLog) -> bool:
    return bool(log.values["effective_test_mode"] == "AccuracyOnly")
