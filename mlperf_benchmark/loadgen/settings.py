"""LoadGen's settings for a run: rules, probe, user.conf and command line, in this order."""

import sys
import tempfile
from typing import Any

import mlperf_loadgen as lg

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.loadgen.probe import Probe
from mlperf_benchmark.loadgen.user_conf import read_user_conf

MS = 1000
NS = 1_000_000_000
# FromConfig's conf_type: LoadGen's embedded rules, or a user's file on top of what is set.
EMBEDDED, USER = 0, 2
# LoadGen prepares its queries from the expected latency, and runs out of them on a machine that is
# faster. Expecting half the probed latency makes twice as many.
LATENCY_SLACK = 0.5
# Offline is one query of 1.1 × minimum duration × expected rate; another tenth covers the probe.
OFFLINE_SLACK = 1.1
# Random arrivals need idle time in between: half of the full rate is a start that most models meet.
SERVER_SHARE = 0.5
# In Server each query passes through Python by itself; in other scenarios they share the way.
SERVER_SECONDS_PER_QUERY = 25e-6


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

    Raises UsageError for a user.conf that does not pass.
    """
    settings = official_settings(config.model_name, config.scenario)
    # The samples of a query decide what to expect of it, and a user.conf may set both.
    _read_user_conf(settings, config)
    if config.samples_per_query is not None:
        settings.multi_stream_samples_per_query = config.samples_per_query
    _expect(settings, config.scenario, probe)
    _read_user_conf(settings, config)
    mode = lg.TestMode.AccuracyOnly if config.accuracy else lg.TestMode.PerformanceOnly
    settings.scenario = getattr(lg.TestScenario, config.scenario)
    settings.mode = mode
    _override(settings, config)
    # LoadGen would log the rules' 1024 for a smaller data set, of which it loads what there is.
    wanted = settings.performance_sample_count_override or sample_count
    settings.performance_sample_count_override = min(wanted, sample_count)
    _check(settings, config)
    return settings


def check_settings(config: RunConfig) -> None:
    """Raises UsageError for values that exclude each other, whatever a probe may show."""
    build_settings(config, sys.maxsize, Probe(latency=1.0, samples_per_second=1.0))


def _read_user_conf(settings: Any, config: RunConfig) -> None:
    """Give LoadGen what was read, as plain text: it cannot read a byte order mark."""
    if config.user_conf is None:
        return
    read = read_user_conf(config.user_conf, config.model_name)
    with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as file:
        file.writelines(f"{name} = {value}\n" for name, value in read.items())
        file.flush()
        code = settings.FromConfig(file.name, config.model_name, config.scenario, USER)
    if code != 0:
        raise UsageError(f"LoadGen refused {config.user_conf} (code {code}).")


def _check(settings: Any, config: RunConfig) -> None:
    """Refuse values that make sense alone but not together."""
    for what, unit, least, most, option in (
        ("duration", " ms", settings.min_duration_ms, settings.max_duration_ms, "--time"),
        ("query_count", "", settings.min_query_count, settings.max_query_count, "--queries"),
    ):
        if 0 < most < least:
            raise UsageError(
                f"max_{what} {most}{unit} is below min_{what} {least}{unit}, so that no run can be "
                f"VALID: change {config.user_conf or 'them'}, or give {option}."
            )
    if settings.min_query_count == 0 and settings.min_duration_ms == 0:
        raise UsageError(
            f"min_query_count and min_duration are both 0, so that there is nothing to run: change "
            f"{config.user_conf}, or give --queries."
        )
    index, held = settings.performance_issue_same_index, settings.performance_sample_count_override
    if settings.performance_issue_same and index >= held:
        raise UsageError(
            f"performance_issue_same_index {index} is not one of the {held} samples in memory, "
            f"which count from 0: change {config.user_conf}."
        )


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
    if config.time is not None and config.tests_per_run:
        if config.scenario == "Offline":
            # A test of half a second may well run faster than the probe did: LoadGen would call it
            # INVALID for the time that is missing, so the samples decide.
            settings.min_query_count = _samples_in(config.time, settings, config.max_batchsize or 1)
            settings.min_duration_ms = 0
        elif config.user_conf is None:
            # The queries of all tests count (loadgen/several_tests.py).
            settings.min_query_count = 1
    if config.samples_per_query is not None:
        settings.multi_stream_samples_per_query = config.samples_per_query
    if config.max_latency is not None:
        settings.server_target_latency_ns = int(config.max_latency * NS)
    if config.performance_sample_count is not None:
        settings.performance_sample_count_override = config.performance_sample_count


def _offline_samples(settings: Any, duration_ms: int) -> int:
    """The rules' minimum of samples, or none for a run that is shorter than the rules' anyway."""
    return 1 if duration_ms < settings.min_duration_ms else int(settings.min_query_count)


def _samples_in(seconds: float, settings: Any, batch: int) -> int:
    """As many samples as are expected to take that long, in whole batches."""
    expected = seconds * float(settings.offline_expected_qps) / OFFLINE_SLACK
    return batch * max(1, round(expected / batch))
