"""Files and folders appear whole or not at all, whatever else is there or goes on."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlperf_benchmark.core.errors import OutputError
from mlperf_benchmark.core.files import staged
from mlperf_benchmark.core.working_folder import scratch_folder
from tests.command import ROOT, environment

# Says when it has begun, and then waits for its end.
HOLD = """
import sys
from pathlib import Path
from mlperf_benchmark.core.files import staged
with staged(Path(sys.argv[1])) as folder:
    (folder / "unfinished").write_text("")
    print("begun", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that is in the middle of writing to `folder`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        env=environment(),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(folder: Path, name: str, replaces_folders: bool = False) -> None:
    with staged(folder, replaces_folders) as staging:
        (staging / name).mkdir()
        (staging / name / "new").write_text("new")


def test_a_folder_is_never_put_into_one_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("old")
    with pytest.raises(OutputError, match="a folder of that name is in the way"):
        write(tmp_path, "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["old"]
    assert names(tmp_path) == ["model"]


def test_where_a_folder_is_in_the_way_no_file_has_moved(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("old")
    (tmp_path / "config.json").write_text("old")
    with pytest.raises(OutputError), staged(tmp_path) as staging:
        (staging / "config.json").write_text("new")
        (staging / "model").mkdir()
    assert (tmp_path / "config.json").read_text() == "old"


def test_a_file_does_not_replace_a_folder(tmp_path: Path) -> None:
    (tmp_path / "results.json").mkdir()
    with pytest.raises(OutputError, match="a folder of that name is in the way"):  # noqa: SIM117
        with staged(tmp_path) as staging:
            (staging / "results.json").write_text("")
    assert not any((tmp_path / "results.json").iterdir())


def test_a_folder_is_replaced_as_a_whole_where_it_shall_be(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "old").write_text("old")
    write(tmp_path, "tree", replaces_folders=True)
    assert [path.name for path in (tmp_path / "tree").iterdir()] == ["new"]
    assert names(tmp_path) == ["tree"]
    write(tmp_path, "another", replaces_folders=True)
    assert names(tmp_path) == ["another", "tree"]


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(list(tmp_path.glob(".part-*/unfinished"))) == 1
        with staged(tmp_path) as staging:
            (staging / "file").write_text("")
    assert names(tmp_path) == ["file"]


def test_what_a_living_process_works_on_stays(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        with staged(tmp_path) as staging:
            (staging / "file").write_text("")
        assert len(list(tmp_path.glob(".part-*/unfinished"))) == 1
        process.communicate(timeout=60)
    assert names(tmp_path) == ["file", "unfinished"]


def test_folders_of_other_names_and_links_stay(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / ".part-of-something").mkdir()
    (folder / ".part-abcdefgh").symlink_to(elsewhere)
    (folder / ".part-12345678").write_text("a file")
    write(folder, "model")
    kept = [".part-12345678", ".part-abcdefgh", ".part-of-something", "model"]
    assert names(folder) == kept
    assert elsewhere.is_dir()


def test_two_that_write_the_same_file_at_once_both_end_well(tmp_path: Path) -> None:
    with staged(tmp_path) as one, staged(tmp_path) as two:
        (one / "file").write_text("one")
        (two / "file").write_text("two")
    assert (tmp_path / "file").read_text() == "one"
    assert names(tmp_path) == ["file"]


def test_scratch_folders_of_killed_runs_are_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "mlperf-benchmark-tvm-abcdefgh").mkdir()
    (tmp_path / "mlperf-benchmark-other-abcdefgh").mkdir()
    with scratch_folder("tvm") as folder:
        assert folder.is_dir()
        assert not (tmp_path / "mlperf-benchmark-tvm-abcdefgh").exists()
    assert names(tmp_path) == ["mlperf-benchmark-other-abcdefgh"]
