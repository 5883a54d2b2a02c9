"""LoadGen's settings for a run, and how far they are from MLPerf's rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mlperf_loadgen as lg

from contracts.config import RunConfig
from contracts.errors import UsageError
from loadgen.detail_log import DetailLog
from loadgen.probe import Probe

MS = 1000
NS = 1_000_000_000
# FromConfig's conf_type: LoadGen's embedded rules, or a user's file on top of what is set.
EMBEDDED, USER = 0, 2
# LoadGen makes up its queries beforehand from the expected latency and runs out of them on a
# machine that is faster than expected. Expecting half the probed latency makes twice as many.
LATENCY_SLACK = 0.5
# Offline is one query of 1.1 × minimum duration × expected rate; another tenth covers the probe.
OFFLINE_SLACK = 1.1
# Random arrivals need idle time in between: half of the full rate is a start that most meet.
SERVER_SHARE = 0.5
# A Server query takes the way through Python alone, where other scenarios share it.
SERVER_SECONDS_PER_QUERY = 25e-6
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


def official_settings(model_name: str, scenario: str) -> Any:
    """LoadGen's TestSettings under MLPerf's rules for the model, from its embedded file.

    Raises UsageError for a model that it has no rules for: LoadGen would take general ones.
    """
    settings = lg.TestSettings()
    if settings.FromConfig("", model_name, scenario, EMBEDDED) != 0:
        raise UsageError("LoadGen could not read its embedded rules; reinstall mlcommons-loadgen.")
    if settings.performance_sample_count_override == 0:
        raise UsageError(
            f'LoadGen has no rules for a model "{model_name}"; its name for image classification '
            f"is resnet50."
        )
    settings.scenario = getattr(lg.TestScenario, scenario)
    return settings


def build_settings(config: RunConfig, sample_count: int, probe: Probe) -> Any:
    """TestSettings of the run: rules, then probe, then user.conf, then the command line.

    The user.conf must have passed loadgen.user_conf.
    """
    settings = official_settings(config.model_name, config.scenario)
    _expect(settings, config.scenario, probe)
    if config.user_conf is not None:
        code = settings.FromConfig(str(config.user_conf), config.model_name, config.scenario, USER)
        if code != 0:
            raise UsageError(f"LoadGen refused {config.user_conf} (code {code}).")
    mode = lg.TestMode.AccuracyOnly if config.accuracy else lg.TestMode.PerformanceOnly
    settings.scenario = getattr(lg.TestScenario, config.scenario)
    settings.mode = mode
    _override(settings, config)
    # LoadGen would log the rules' 1024 for a smaller data set, of which it loads what there is.
    wanted = settings.performance_sample_count_override or sample_count
    settings.performance_sample_count_override = min(wanted, sample_count)
    return settings


def _expect(settings: Any, scenario: str, probe: Probe) -> None:
    if scenario == "SingleStream":
        expected = int(probe.latency * LATENCY_SLACK * NS)
        settings.single_stream_expected_latency_ns = max(1, expected)
    elif scenario == "MultiStream":
        query = settings.multi_stream_samples_per_query / probe.samples_per_second
        settings.multi_stream_expected_latency_ns = max(1, int(query * LATENCY_SLACK * NS))
    elif scenario == "Server":
        seconds = 1 / probe.samples_per_second + SERVER_SECONDS_PER_QUERY
        settings.server_target_qps = SERVER_SHARE / seconds
    else:
        settings.offline_expected_qps = probe.samples_per_second * OFFLINE_SLACK


def _override(settings: Any, config: RunConfig) -> None:
    # Offline has one query, and LoadGen's Server schedule ends by itself after the minimum: there
    # a maximum changes nothing but that reaching it counts as an error.
    bounded = config.scenario in ("SingleStream", "MultiStream")
    if config.queries is not None:
        settings.min_query_count = config.queries
        settings.max_query_count = config.queries if bounded else 0
        settings.min_duration_ms = settings.max_duration_ms = 0
    if config.time is not None:
        duration = round(config.time * MS)
        if config.scenario == "Offline":
            settings.min_query_count = _offline_samples(settings, duration)
        settings.min_duration_ms = duration
        settings.max_duration_ms = duration if bounded else 0
    if config.qps is not None:
        settings.server_target_qps = config.qps
        settings.offline_expected_qps = config.qps
    if config.samples_per_query is not None:
        settings.multi_stream_samples_per_query = config.samples_per_query
    if config.max_latency is not None:
        settings.server_target_latency_ns = int(config.max_latency * NS)
    if config.performance_sample_count is not None:
        settings.performance_sample_count_override = config.performance_sample_count


def _offline_samples(settings: Any, duration_ms: int) -> int:
    """The rules' minimum of samples, or none for a run that is shorter than the rules' anyway."""
    return 1 if duration_ms < settings.min_duration_ms else int(settings.min_query_count)


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
    if log.values["effective_test_mode"] == "AccuracyOnly":
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
    differences = []
    samples = log.effective("performance_sample_count")
    if samples < official.performance_sample_count_override:
        differences.append(
            f"{samples} samples in memory instead of {official.performance_sample_count_override}"
        )
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
