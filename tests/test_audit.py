"""Compliance tests: an audit.config is followed where it is named, and only there."""

from pathlib import Path

from tests.conftest import Runner

TEST01 = """# mode dictionary (0 = submission, 1 = accuracy, 2 = performance, 3 = find peak perf)
*.*.mode = 2
*.*.accuracy_log_rng_seed = 720381539243781796
*.*.accuracy_log_sampling_target = 128
*.*.min_query_count = 128
*.*.min_duration = 0
"""
NULL = ("--profile", "null", "--count", "64", "--queries", "200")


def test_named_file_is_followed(benchmark: Runner, tmp_path: Path) -> None:
    path = tmp_path / "audit.config"
    # A byte order mark, as of an editor of Windows, must not hide the first line.
    path.write_text(TEST01.partition("\n")[2], encoding="utf-8-sig")
    done = benchmark(*NULL, "--audit-conf", path)
    assert done.status in (0, 3)
    assert done.detail["effective_accuracy_log_sampling_target"] == 128
    assert done.answers
    assert not any("audit.config" in warning for warning in done.result["warnings"])


def test_file_in_the_working_directory_is_noticed_and_ignored(
    benchmark: Runner, tmp_path: Path
) -> None:
    (tmp_path / "audit.config").write_text(TEST01)
    done = benchmark(*NULL, cwd=tmp_path)
    assert done.status in (0, 3)
    assert done.detail["effective_accuracy_log_sampling_target"] == 0
    assert not done.answers
    (warning,) = [text for text in done.result["warnings"] if "audit.config" in text]
    assert "--audit-conf" in warning
    assert "--audit-conf" in done.stdout


def test_missing_file_is_refused(benchmark: Runner, tmp_path: Path) -> None:
    """LoadGen would silently make a plain run of it."""
    done = benchmark(*NULL, "--audit-conf", tmp_path / "audit.config")
    assert done.status == 2
    assert str(tmp_path / "audit.config") in done.error
    assert not done.output.exists()


def test_compliance_test_in_an_accuracy_run_is_refused(benchmark: Runner, tmp_path: Path) -> None:
    path = tmp_path / "audit.config"
    path.write_text(TEST01)
    done = benchmark("--profile", "null", "--accuracy", "--audit-conf", path)
    assert done.status == 2
    assert "compliance test is a performance run" in done.error
