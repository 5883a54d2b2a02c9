"""A user.conf: what LoadGen would ignore or misread is refused, the rest has its effect."""

from pathlib import Path

import pytest

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.loadgen.user_conf import read_user_conf
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
