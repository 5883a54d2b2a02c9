"""The output folder: whole results or none, and never somebody else's overwritten."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlperf_benchmark.run.output_folder import OutputFolder
from tests.command import ROOT, command, environment, run_main
from tests.conftest import Runner

NULL = ("--profile", "null", "--count", "64", "--queries", "200")
SMALL_DISK = "size=64k"


def test_result_is_not_overwritten_unasked(benchmark: Runner) -> None:
    first = benchmark(*NULL)
    content = (first.output / "results.json").read_bytes()
    refused = benchmark(*NULL)
    assert refused.status == 2
    assert "--overwrite" in refused.error
    assert (first.output / "results.json").read_bytes() == content
    replaced = benchmark(*NULL, "--overwrite")
    assert replaced.status == first.status
    assert replaced.result["config"]["overwrite"] is True


def test_failed_run_keeps_the_result_it_should_have_replaced(benchmark: Runner) -> None:
    first = benchmark(*NULL)
    before = {file.name: file.read_bytes() for file in first.output.iterdir()}
    failed = benchmark(*NULL, "--overwrite", "--audit-conf", "missing.config")
    assert failed.status == 2
    assert {file.name: file.read_bytes() for file in first.output.iterdir()} == before


def test_a_run_that_came_to_nothing_leaves_no_folder(tmp_path: Path) -> None:
    output = tmp_path / "new" / "output"
    failed = run_main(
        *("--profile", "pytorch-openvino", "--model", tmp_path / "none.xml"),
        *("--dataset", "synthetic"),
        output=output,
    )
    assert failed.status == 2
    assert not list(tmp_path.iterdir())


def test_folders_are_made(tmp_path: Path) -> None:
    done = run_main(*NULL, output=tmp_path / "a folder" / 'with "strange" [names]' / "größe")
    assert done.status in (0, 3)
    assert done.result["config"]["output"] == str(done.output)
    assert str(done.output) in done.stdout


def test_what_loadgen_still_writes_does_not_keep_the_folder(tmp_path: Path) -> None:
    """Its thread cannot be stopped, and opens its logs one after the other."""
    folder = OutputFolder(tmp_path)

    def write_on() -> None:
        with contextlib.suppress(FileNotFoundError):
            for number in range(10_000):
                (folder.work / str(number % 100)).touch()

    with folder.open(overwrite=False):
        thread = threading.Thread(target=write_on)
        thread.start()
        while len(list(folder.work.iterdir())) < 100:
            pass
    thread.join()
    assert not list(tmp_path.iterdir())


def test_foreign_files_are_left_alone(benchmark: Runner, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    assert benchmark(*NULL).status in (0, 3)
    assert (output / "notes.txt").read_text() == "mine"


def test_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        done = run_main(*NULL, output=output)
        assert done.status == 2
        assert str(output) in done.error
        assert "--output" in done.error
    assert (tmp_path / "file").read_text() == "mine"


def test_folder_that_cannot_be_written_is_named() -> None:
    """The kernel's /proc refuses everybody, root too."""
    output = Path("/proc/benchmark")
    done = run_main(*NULL, output=output)
    assert done.status == 2
    assert str(output) in done.error


def test_leftovers_of_a_killed_run_are_cleared_away(benchmark: Runner, tmp_path: Path) -> None:
    work = tmp_path / "output" / ".incomplete"
    work.mkdir(parents=True)
    (work / "mlperf_log_detail.txt").write_text("half a")
    done = benchmark(*NULL)
    assert done.status in (0, 3)
    assert not work.exists()


def test_two_runs_into_one_folder(tmp_path: Path) -> None:
    """The second is refused; it must not clear the first one's files away."""
    output = tmp_path / "output"
    arguments = ("--profile", "null", "--time", "4", "--output", output)
    with subprocess.Popen(
        command(arguments), cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL
    ) as first:
        while not (output / ".incomplete" / "mlperf_log_detail.txt").exists():
            assert first.poll() is None
        second = run_main(*NULL, output=output)
        assert second.status == 2
        assert "Another run" in second.error
        assert first.wait(timeout=60) == 0
    assert (output / "results.json").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", SMALL_DISK, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("free", [0, 4, 8, 12, 16, 20, 24, 28, 32])
def test_full_disk_gives_no_half_result(small_disk: Path, free: int) -> None:
    """With `free` KiB left: LoadGen's logs, its accuracy log or the result do not fit."""
    (small_disk / "filler").write_bytes(bytes((64 - free) << 10))
    arguments = ("--profile", "null", "--count", "64", "--accuracy")
    done = run_main(*arguments, output=small_disk / "output")
    if done.status:
        assert done.left_nothing
        assert str(small_disk / "output") in done.error
        assert "full" in done.error or "No space left" in done.error
    else:
        assert len(done.answers) == 64
        assert done.result["mode"] == "accuracy"
