"""A user.conf: what LoadGen would ignore or misread is refused, the rest has its effect."""

from pathlib import Path

import pytest

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.loadgen.settings import check_settings
from mlperf_benchmark.loadgen.user_conf import read_user_conf
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.resolve import resolve
from tests.conftest import Runner


def write(folder: Path, text: str) -> Path:
    path = folder / "user.conf"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("*.Offline.target_qsp = 5", 'no key "target_qsp".*Did you mean "target_qps"'),
        ("*.Offline.target_qps=5", "spaces around"),
        ("*.Offline.target_qps 5", "spaces around"),
        ("*.Offline.target_qps =", "spaces around"),
        ("*.Offline.target_qps = 5 6", "spaces around"),
        ("*.offline.target_qps = 5", 'unknown scenario "offline"'),
        ("Offline.target_qps = 5", "model.scenario.key"),
        ("*.Offline.target_qps = fast", '"fast" is not a number'),
        ("*.Offline.target_qps = -5", '"-5" is not a number'),
        ("*.Offline.target_qps = inf", '"inf" is not a number'),
        ("*.Offline.target_qps = 0", "target_qps is above 0 and below 1000000000, not 0"),
        ("*.Server.target_qps = 0.0", "target_qps is above 0"),
        ("*.Server.target_qps = 1e300", "target_qps is above 0 and below 1000000000, not 1e300"),
        ("*.*.target_qps = 1e999", "target_qps is above 0"),
        ("*.SingleStream.target_latency = 0", "target_latency is above 0"),
        ("*.Server.target_latency = 0", "target_latency is above 0"),
        ("*.Server.target_latency_percentile = 0", "above 0 and below 100, not 0"),
        ("*.SingleStream.target_latency_percentile = 150", "above 0 and below 100, not 150"),
        ("*.*.target_latency_percentile = 100", "above 0 and below 100, not 100"),
        ("*.MultiStream.samples_per_query = 0", "samples_per_query is from 1 to 2147483647"),
        ("*.MultiStream.samples_per_query = 4294967296", "from 1 to 2147483647"),
        ("*.*.min_query_count = 99999999999999999999", "from 0 to 2147483647"),
        ("*.*.max_query_count = 3000000000", "from 0 to 2147483647"),
        ("*.*.min_duration = 9223372036854775807", "from 0 to 1000000000000"),
        ("*.*.performance_issue_same = 2", "performance_issue_same is from 0 to 1, not 2"),
        ("*.Server.coalesce_queries = 7", "from 0 to 1"),
        ("*.*.accuracy_log_rng_seed = 18446744073709551616", "from 0 to 18446744073709551615"),
        ("*.Offline.target_qps = 5 # a guess", "comments only from lines of their own"),
        ("#*.Offline.target_qps = 5", "comments only from lines of their own"),
        ("*.*.min_query_count = 1e3", '"1e3" is not a whole number'),
        ("*.*.min_duration = 0.5", '"0.5" is not a whole number'),
        ("*.*.min_query_count = 010", '"010" is not a whole number'),
        ("*.Server.target_latency = 7.5", '"7.5" is not a whole number'),
        ("*.*.qsl_rng_seed = 1", "qsl_rng_seed has no effect"),
        ("*.*.mode = 1", "--accuracy"),
        ("*.*.accuracy_sample_count_override = 1", "--count"),
        ("*.SingleStream.target_qps = 5", "SingleStream has no target_qps"),
        ("resnet.Offline.target_qps = 5", 'called "resnet50".*"resnet"'),
    ],
)
def test_line_without_effect_is_refused_by_number(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path, f"# my settings\n\n{line}\n")
    with pytest.raises(UsageError, match=f"{path}, line 3: .*{message}"):
        read_user_conf(path, "resnet50")


def test_good_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "# All times are in milliseconds\n"
        "*.SingleStream.target_latency = 1.5\n"
        "resnet50.Offline.target_qps = 1e3\n"
        "retinanet.Server.target_qps = 7\n"
        "\t*.*.min_duration   =   60000\n",
    )
    assert read_user_conf(path, "resnet50") == {
        "*.SingleStream.target_latency": "1.5",
        "resnet50.Offline.target_qps": "1e3",
        "retinanet.Server.target_qps": "7",
        "*.*.min_duration": "60000",
    }


def test_file_about_other_models_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "retinanet.Offline.target_qps = 5\n")
    with pytest.raises(UsageError, match='nothing about "resnet50", but about retinanet'):
        read_user_conf(path, "resnet50")


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_user_conf(tmp_path / "missing.conf", "resnet50")
    with pytest.raises(UsageError, match="directory"):
        read_user_conf(tmp_path, "resnet50")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not a text file"):
        read_user_conf(tmp_path / "binary", "resnet50")


def test_refused_before_anything_is_made(benchmark: Runner, tmp_path: Path) -> None:
    path = write(tmp_path, "*.Offline.target_qps=5\n")
    done = benchmark("--profile", "null", "--user-conf", path)
    assert done.status == 2
    assert "line 1" in done.error
    assert not done.output.exists()


def test_values_win_over_the_probe_and_lose_to_the_command_line(
    benchmark: Runner, tmp_path: Path
) -> None:
    path = write(
        tmp_path,
        "*.Server.target_qps = 123\n*.Server.target_latency = 40\n*.Server.min_query_count = 77\n"
        "*.Server.min_duration = 300\n",
    )
    done = benchmark(
        *("--profile", "null", "--scenario", "Server", "--user-conf", path),
        *("--max-latency", "0.5", "--performance-sample-count", "64"),
    )
    assert done.detail["effective_target_qps"] == 123
    assert done.detail["effective_min_query_count"] == 77
    assert done.detail["effective_target_latency_ns"] == 500_000_000
    assert done.detail["effective_performance_sample_count"] == 64
    assert done.result["rules"] == "modified"
    assert done.result["config"]["user_conf"] == str(path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("*.*.max_duration = 1000", "max_duration 1000 ms is below min_duration 600000 ms"),
        (
            "*.*.min_duration = 5000\n*.*.max_duration = 4000",
            "max_duration 4000 ms is below min_duration 5000 ms.*--time",
        ),
        ("*.*.max_query_count = 7", "max_query_count 7 is below min_query_count 100.*--queries"),
        ("*.*.min_query_count = 0\n*.*.min_duration = 0", "nothing to run"),
    ],
)
def test_values_that_exclude_each_other_are_refused_at_once(
    tmp_path: Path, lines: str, message: str
) -> None:
    path = write(tmp_path, f"{lines}\n")
    config = resolve(parse(["--profile", "null", "--user-conf", str(path)]))
    with pytest.raises(UsageError, match=message):
        check_settings(config)


def test_sample_that_is_not_in_memory_is_refused(benchmark: Runner, tmp_path: Path) -> None:
    path = write(
        tmp_path, "*.*.performance_issue_same = 1\n*.*.performance_issue_same_index = 30\n"
    )
    done = benchmark("--profile", "null", "--user-conf", path, "--count", 20, "--queries", 100)
    assert done.status == 2
    assert "performance_issue_same_index 30 is not one of the 20 samples in memory" in done.error
    assert done.left_nothing


def test_a_number_of_queries_replaces_the_limits(tmp_path: Path) -> None:
    path = write(tmp_path, "*.*.max_query_count = 7\n*.*.max_duration = 4000\n")
    for option in ("--queries", "--time"):
        arguments = ["--profile", "null", "--user-conf", str(path), option, "3"]
        if option == "--time":
            path.write_text("*.*.max_duration = 4000\n")
        check_settings(resolve(parse(arguments)))


def test_unreal_choice_of_samples_is_not_called_official(benchmark: Runner, tmp_path: Path) -> None:
    path = write(tmp_path, "*.*.performance_issue_same = 1\n")
    done = benchmark("--profile", "null", "--user-conf", path, "--queries", "100")
    assert done.result["rules"] == "modified"
    assert any("performance issue same" in text for text in done.result["rule_differences"])


def test_file_of_a_windows_editor_has_its_effect(benchmark: Runner, tmp_path: Path) -> None:
    path = tmp_path / "user.conf"
    text = "*.Server.target_qps = 123\r\n*.Server.min_query_count = 77\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    done = benchmark(
        *("--profile", "null", "--scenario", "Server", "--user-conf", path, "--time", "0.3")
    )
    assert done.detail["effective_target_qps"] == 123
    assert done.detail["effective_min_query_count"] == 77
