"""LoadGen's settings from rules, probe and command line, and what is said about them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlperf_loadgen as lg
import pytest

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.run_config import SCENARIOS, RunConfig
from mlperf_benchmark.loadgen.detail_log import DetailLog
from mlperf_benchmark.loadgen.probe import Probe
from mlperf_benchmark.loadgen.rules import Rules, rules
from mlperf_benchmark.loadgen.settings import build_settings, official_settings
from mlperf_benchmark.run.estimate import check_memory, expected_seconds
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.progress import clock
from mlperf_benchmark.run.resolve import resolve

PROBE = Probe(latency=0.01, samples_per_second=400.0)
IMAGES = 50_000


def configuration(scenario: str, line: str = "") -> RunConfig:
    return resolve(parse(["--profile", "null", "--scenario", scenario, *line.split()]))


def settings(scenario: str, line: str = "", count: int = IMAGES) -> Any:
    return build_settings(configuration(scenario, line), count, PROBE)


def seconds(scenario: str, line: str = "", count: int = IMAGES) -> float:
    config = configuration(scenario, line)
    return expected_seconds(config, build_settings(config, count, PROBE), count, PROBE)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_rules_hold_where_nothing_is_said(scenario: str) -> None:
    """mlperf.conf of LoadGen 6.0.17."""
    made = settings(scenario)
    assert made.scenario == getattr(lg.TestScenario, scenario)
    assert made.mode == lg.TestMode.PerformanceOnly
    assert made.min_duration_ms == 600_000
    assert made.max_duration_ms == 0
    assert made.performance_sample_count_override == 1024
    assert made.qsl_rng_seed == 2085463073848966840
    assert made.sample_index_rng_seed == 2747215439041700203
    assert made.schedule_rng_seed == 16159082839903944936
    least = {"SingleStream": 100, "MultiStream": 662, "Server": 100, "Offline": 24576}
    assert made.min_query_count == least[scenario]


def test_probe_says_what_to_expect() -> None:
    """With room for a machine that turns out faster: LoadGen prepares its queries beforehand."""
    assert settings("SingleStream").single_stream_expected_latency_ns == 5_000_000
    assert settings("MultiStream").multi_stream_expected_latency_ns == 10_000_000
    assert settings("Offline").offline_expected_qps == pytest.approx(440)
    assert 190 < settings("Server").server_target_qps <= 200


def test_expectation_is_of_queries_as_they_will_be(tmp_path: Path) -> None:
    """Else LoadGen makes up too few queries of fewer samples, and the run is INVALID."""
    conf = tmp_path / "user.conf"
    conf.write_text("*.MultiStream.samples_per_query = 2\n")
    assert settings("MultiStream", "--samples-per-query 2").multi_stream_expected_latency_ns == (
        2_500_000
    )
    assert settings("MultiStream", f"--user-conf {conf}").multi_stream_expected_latency_ns == (
        2_500_000
    )
    both = settings("MultiStream", f"--user-conf {conf} --samples-per-query 64")
    assert both.multi_stream_expected_latency_ns == 80_000_000
    conf.write_text(conf.read_text() + "*.MultiStream.target_latency = 7\n")
    own = settings("MultiStream", f"--user-conf {conf}")
    assert own.multi_stream_expected_latency_ns == 7_000_000
    assert own.multi_stream_samples_per_query == 2


@pytest.mark.parametrize("line", ["", "--accuracy"])
def test_queries_that_fill_the_memory_are_refused(line: str) -> None:
    line = f"--samples-per-query 2147483647 {line}"
    config = configuration("MultiStream", line)
    with pytest.raises(UsageError, match="give fewer --samples-per-query"):
        check_memory(config, settings("MultiStream", line), IMAGES)
    for scenario in SCENARIOS:
        check_memory(configuration(scenario), settings(scenario), IMAGES)


def test_command_line_has_the_last_word() -> None:
    assert settings("Offline", "--qps 70").offline_expected_qps == 70
    server = settings("Server", "--qps 70 --max-latency 0.1")
    assert server.server_target_qps == 70
    assert server.server_target_latency_ns == 100_000_000
    assert settings("MultiStream", "--samples-per-query 3").multi_stream_samples_per_query == 3
    assert settings("Server", "--accuracy").mode == lg.TestMode.AccuracyOnly


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_time_sets_the_duration(scenario: str) -> None:
    made = settings(scenario, "--time 2.5")
    assert made.min_duration_ms == 2500
    # In the others a maximum changes nothing but that reaching it counts as an error.
    bounded = scenario in ("SingleStream", "MultiStream")
    assert made.max_duration_ms == (2500 if bounded else 0)


def test_longer_time_keeps_offlines_least_samples() -> None:
    assert settings("Offline", "--time 2000").min_query_count == 24576
    assert settings("Offline", "--time 2").min_query_count == 1


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_queries_set_the_number(scenario: str) -> None:
    made = settings(scenario, "--queries 7")
    assert made.min_query_count == 7
    assert made.min_duration_ms == 0


def test_no_more_samples_in_memory_than_there_are() -> None:
    assert settings("Offline", count=20).performance_sample_count_override == 20
    wanted = settings("Offline", "--performance-sample-count 5", count=20)
    assert wanted.performance_sample_count_override == 5
    too_many = settings("Offline", "--performance-sample-count 50", count=20)
    assert too_many.performance_sample_count_override == 20


def test_model_without_rules_is_refused() -> None:
    with pytest.raises(UsageError, match="resnet50"):
        official_settings("resnet", "Offline")


@pytest.mark.parametrize(
    ("scenario", "line", "expected"),
    [
        ("SingleStream", "", 600),
        ("SingleStream", "--time 5", 5),
        ("SingleStream", "--queries 1000", 10),
        ("MultiStream", "--queries 1000", 20),
        ("MultiStream", "--time 5", 5),
        ("Server", "--qps 100 --queries 1000", 10),
        ("Server", "--qps 10 --time 5", 10),  # 100 queries are the least
        ("Server", "--qps 4000 --time 5", 50),  # ten times what the probe reached
        ("Offline", "--queries 1000", 2.5),
        ("Offline", "--time 5 --qps 400", 5.5),
        ("Offline", "", 726),
        ("SingleStream", "--accuracy", 125),
    ],
)
def test_estimate(scenario: str, line: str, expected: float) -> None:
    assert seconds(scenario, line) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2, "1 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_clock(value: float, text: str) -> None:
    assert clock(value) == text


def effective(scenario: str, **changes: Any) -> Mapping[str, Any]:
    """What LoadGen logs for an official performance run, with changes."""
    official = official_settings("resnet50", scenario)
    offline = scenario == "Offline"
    values = {
        "scenario": scenario,
        "test_mode": "PerformanceOnly",
        "min_duration_ms": 600_000,
        "max_duration_ms": 0,
        "min_query_count": 1 if offline else official.min_query_count,
        "samples_per_query": {"MultiStream": 8, "Offline": 300_000}.get(scenario, 1),
        "target_latency_percentile": 0.9 if scenario == "SingleStream" else 0.99,
        "target_latency_ns": 15_000_000 if scenario == "Server" else 0,
        "performance_sample_count": 1024,
        "accuracy_sample_count": IMAGES,
        "qsl_rng_seed": official.qsl_rng_seed,
        "sample_index_rng_seed": official.sample_index_rng_seed,
        "schedule_rng_seed": official.schedule_rng_seed,
        "performance_issue_unique": False,
        "performance_issue_same": False,
        "sample_concatenate_permutation": False,
    }
    return {f"effective_{name}": value for name, value in (values | changes).items()}


def judged(scenario: str, **changes: Any) -> Rules:
    return rules(DetailLog(values=dict(effective(scenario, **changes)), errors=()), "resnet50")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_official_run(scenario: str) -> None:
    assert judged(scenario) == Rules("official", ())
    assert judged(scenario, min_duration_ms=900_000, performance_sample_count=2048).name == (
        "official"
    )


@pytest.mark.parametrize(
    ("scenario", "changes", "name", "difference"),
    [
        ("SingleStream", {"min_duration_ms": 5000}, "shortened", "minimum duration 5 s"),
        ("SingleStream", {"max_duration_ms": 5000}, "shortened", "maximum duration 5 s"),
        ("MultiStream", {"min_query_count": 100}, "shortened", "at least 100 queries"),
        ("Offline", {"samples_per_query": 5000}, "shortened", "at least 5000 samples"),
        ("Offline", {"performance_sample_count": 20}, "modified", "20 samples in memory"),
        ("MultiStream", {"samples_per_query": 4}, "modified", "samples per query 4"),
        ("Server", {"target_latency_ns": 20_000_000}, "modified", "target latency ns"),
        ("SingleStream", {"target_latency_percentile": 0.5}, "modified", "percentile 0.5"),
        ("Offline", {"qsl_rng_seed": 1}, "modified", "qsl rng seed 1"),
        ("Offline", {"performance_issue_same": True}, "modified", "performance issue same"),
    ],
)
def test_difference_is_named(
    scenario: str, changes: dict[str, Any], name: str, difference: str
) -> None:
    result = judged(scenario, **changes)
    assert result.name == name
    (text,) = result.differences
    assert difference in text


def test_tighter_latency_bound_is_official() -> None:
    assert judged("Server", target_latency_ns=10_000_000).name == "official"


def test_change_outweighs_a_short_run() -> None:
    result = judged("Offline", min_duration_ms=5000, performance_sample_count=20)
    assert result.name == "modified"
    assert len(result.differences) == 2
