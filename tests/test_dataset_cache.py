"""The cache survives kills, damage, full disks and several runs at once."""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset import DATASETS, Dataset, DatasetConfig
from mlperf_benchmark.core.errors import CacheError
from mlperf_benchmark.core.image_format import Images
from tests.synthetic_images import jpeg, png, write_folder

PREPARE = Path(__file__).with_name("prepare_dataset.py")
PATIENCE = 60.0


def prepared(folder: Path, cache: Path) -> Dataset:
    dataset: Dataset = DATASETS.load("imagenet")(DatasetConfig(folder, None, cache, None))
    dataset.prepare()
    return dataset


def start(folder: Path, cache: Path, *limit: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(PREPARE), str(folder), str(cache), *limit],
        env={**os.environ, "PYTHONPATH": str(PREPARE.parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def store_folder(cache: Path) -> Path:
    (about,) = cache.glob("preprocessed/*/about.json")
    return about.parent


def rows_done(cache: Path) -> int:
    files = list(cache.glob("preprocessed/*/about.json"))
    if not files:
        return 0
    return int(np.count_nonzero(np.load(files[0].with_name("checksums.npy"))))


def wait_for_rows(process: "subprocess.Popen[str]", cache: Path, rows: int) -> None:
    """Until so many are done, or the process is."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and rows_done(cache) < rows:
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_folder(
        tmp_path / "small", {f"{seed}.JPEG": png(60, 45, seed) for seed in range(6)}
    )


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that take a while: 200 of 1200 x 900, eight different ones."""
    different = [jpeg(1200, 900, seed) for seed in range(8)]
    folder = tmp_path_factory.mktemp("large") / "set"
    return write_folder(folder, {f"{i}.JPEG": different[i % 8] for i in range(200)})


@pytest.fixture(scope="module")
def large_rows(large: Path, tmp_path_factory: pytest.TempPathFactory) -> Images:
    return prepared(large, tmp_path_factory.mktemp("cache")).load(range(200))


def test_cache_is_used_again(
    small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = prepared(small, tmp_path / "cache").load(range(6))
    capfd.readouterr()
    assert (prepared(small, tmp_path / "cache").load(range(6)) == before).all()
    assert capfd.readouterr().err == ""


def test_load_gives_fresh_rows_in_the_asked_order(small: Path, tmp_path: Path) -> None:
    dataset = prepared(small, tmp_path / "cache")
    everything = dataset.load(range(6))
    assert everything.shape == (6, 224, 224, 3)
    assert everything.dtype == np.uint8
    for indices in ([], [3], [5, 0, 1, 2, 2, 1], [4, 5]):
        rows = dataset.load(indices)
        assert rows.flags.c_contiguous
        assert rows.flags.writeable
        assert np.array_equal(rows, everything[indices])
        rows[:] = 0
    assert (dataset.load(range(6)) == everything).all()
    for index in (-1, 6):
        with pytest.raises(IndexError):
            dataset.load([index])


def test_numpy_reads_the_cache(small: Path, tmp_path: Path) -> None:
    """Other tools can map the array; the labels lie beside it."""
    dataset = prepared(small, tmp_path / "cache")
    folder = store_folder(tmp_path / "cache")
    mapped = np.load(folder / "images.npy", mmap_mode="r")
    assert (mapped == dataset.load(range(6))).all()
    assert (folder / "val_map.txt").read_text() == (small / "val_map.txt").read_text()
    assert json.loads((folder / "about.json").read_text())["preprocessing"] == "imagenet"


def test_cv2_keeps_its_threads(small: Path, tmp_path: Path) -> None:
    before = cv2.getNumThreads()
    prepared(small, tmp_path / "cache")
    assert cv2.getNumThreads() == before


def test_killed_runs_are_resumed(large: Path, large_rows: Images, tmp_path: Path) -> None:
    """Killed six times, at random, the first times while the cache is being made."""
    chance = random.Random()
    for kill in range(6):
        process = start(large, tmp_path)
        if kill < 2:
            time.sleep(chance.uniform(0.1, 0.4))
        else:
            wait_for_rows(process, tmp_path, rows_done(tmp_path) + chance.randint(0, 30))
        process.kill()
        process.communicate()
    done = rows_done(tmp_path)
    process = start(large, tmp_path)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "200\n")
    assert f"Preprocessing {200 - done} of 200 images" in err or done == 200
    assert (prepared(large, tmp_path).load(range(200)) == large_rows).all()


def test_interrupt_stops_soon_and_keeps_what_is_done(
    large: Path, large_rows: Images, tmp_path: Path
) -> None:
    process = start(large, tmp_path)
    wait_for_rows(process, tmp_path, 5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert 5 <= rows_done(tmp_path) < 200
    assert (prepared(large, tmp_path).load(range(200)) == large_rows).all()


def test_two_runs_at_once_share_the_work(large: Path, large_rows: Images, tmp_path: Path) -> None:
    runs = [start(large, tmp_path) for _ in range(2)]
    results = [run.communicate(timeout=PATIENCE) for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert [out for out, _ in results] == ["200\n", "200\n"]
    assert sum("Preprocessing 200 of 200 images" in err for _, err in results) == 1
    assert (prepared(large, tmp_path).load(range(200)) == large_rows).all()


def test_waiting_run_says_so(small: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    prepared(small, cache)
    folder = store_folder(cache)
    (folder / "about.json").unlink()
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = start(small, cache)
        assert process.stderr is not None
        first = process.stderr.readline()
        assert first.startswith("Another run is preprocessing these images into ")
    out, _ = process.communicate(timeout=PATIENCE)
    assert out == "6\n"


def test_flipped_byte_is_found_on_loading(small: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    dataset = prepared(small, cache)
    folder = store_folder(cache)
    images = folder / "images.npy"
    data = bytearray(images.read_bytes())
    data[-150528 * 2 - 100] ^= 1
    images.write_bytes(data)
    assert dataset.load([0, 1, 2, 4, 5]).any()
    with pytest.raises(CacheError) as error:
        prepared(small, cache).load(range(6))
    message = str(error.value)
    assert str(folder) in message
    assert "sample 3 is damaged" in message
    assert "Delete that folder" in message


def damage_images_end(folder: Path) -> None:
    os.truncate(folder / "images.npy", 200_000)


def damage_images_longer(folder: Path) -> None:
    with (folder / "images.npy").open("ab") as file:
        file.write(b"more")


def damage_images_header(folder: Path) -> None:
    with (folder / "images.npy").open("r+b") as file:
        file.write(b"nonsense")


def damage_checksums(folder: Path) -> None:
    (folder / "checksums.npy").unlink()


def damage_about(folder: Path) -> None:
    (folder / "about.json").write_bytes(b'{"layout": 1, \xff')


def damage_other(folder: Path) -> None:
    (folder / "about.json").write_text("[]")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (damage_images_end, "images.npy is damaged"),
        (damage_images_longer, "images.npy is damaged"),
        (damage_images_header, "images.npy is damaged"),
        (damage_checksums, "checksums.npy is damaged"),
        (damage_about, "about.json is unreadable"),
        (damage_other, "about.json describes something else"),
    ],
)
def test_visibly_damaged_cache_is_made_anew(
    damage: Callable[[Path], None],
    complaint: str,
    small: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    cache = tmp_path / "cache"
    before = prepared(small, cache).load(range(6))
    damage(store_folder(cache))
    capfd.readouterr()
    assert (prepared(small, cache).load(range(6)) == before).all()
    first, second = capfd.readouterr().err.splitlines()
    assert first == f"The cache {store_folder(cache)} is made anew: {complaint}."
    assert second.startswith("Preprocessing 6 of 6 images")


def test_pixels_lost_in_a_crash_are_made_again(small: Path, tmp_path: Path) -> None:
    """After a power cut a checksum may be on the disk and its pixels not."""
    cache = tmp_path / "cache"
    before = prepared(small, cache).load(range(6))
    images = np.load(store_folder(cache) / "images.npy", mmap_mode="r+")
    images[2] = 0
    images.flush()
    checksums = np.load(store_folder(cache) / "checksums.npy", mmap_mode="r+")
    checksums[5] = 0
    checksums.flush()
    assert (prepared(small, cache).load(range(6)) == before).all()


def test_cache_deleted_during_a_run(small: Path, tmp_path: Path) -> None:
    dataset = prepared(small, tmp_path / "cache")
    folder = store_folder(tmp_path / "cache")
    (folder / "images.npy").unlink()
    with pytest.raises(CacheError, match=r"Cannot read the cache .*: No such file"):
        dataset.load([0])


def test_cache_folder_that_cannot_be_written(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for cache in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/cache")):
        with pytest.raises(CacheError, match=r"Cannot write the cache .*--cache-dir"):
            prepared(small, cache)


def test_file_size_limit_is_reported(small: Path, tmp_path: Path) -> None:
    """Stands for any refusal of the operating system to give the space."""
    process = start(small, tmp_path, "200000")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == CacheError.exit_status
    (line,) = err.splitlines()
    assert line.startswith("Cannot write the cache ")
    assert "File too large" in line
    assert not list(tmp_path.glob("preprocessed/*/*.npy"))


def test_refused_write_keeps_what_is_done(small: Path, tmp_path: Path) -> None:
    before = prepared(small, tmp_path).load(range(6))
    checksums = np.load(store_folder(tmp_path) / "checksums.npy", mmap_mode="r+")
    checksums[[0, 5]] = 0
    checksums.flush()
    process = start(small, tmp_path, "400000")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == CacheError.exit_status
    assert "File too large" in err.splitlines()[-1]
    assert rows_done(tmp_path) == 5
    assert (prepared(small, tmp_path).load(range(6)) == before).all()


def test_bar_on_a_terminal(small: Path, tmp_path: Path, terminal: tuple[int, int]) -> None:
    shown_there, stderr = terminal
    command = [sys.executable, str(PREPARE), str(small), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(PREPARE.parents[1]), "TERM": "xterm"}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=stderr, check=True)
    os.close(stderr)
    shown = b""
    while chunk := _read_terminal(shown_there):
        shown += chunk
    os.close(shown_there)
    assert b"6/6" in shown


def _read_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_is_reported_before_any_work(small: Path, tiny_disk: Path) -> None:
    with pytest.raises(CacheError) as error:
        prepared(small, tiny_disk)
    assert "needs 0.001 GB and 0.001 GB are free" in str(error.value)
    assert not list(tiny_disk.glob("preprocessed/*/*.npy"))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Skips where mounting is not permitted; root may write to a folder of any mode."""
    mount = ["mount", "--bind", "-o", "ro", str(folder), str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("read-only mounts are not permitted")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_read_only_data_set(small: Path, tmp_path: Path) -> None:
    with read_only(small):
        assert prepared(small, tmp_path / "cache").load(range(6)).any()


def test_read_only_cache_will_do_once_complete(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    before = prepared(small, cache).load(range(6))
    with read_only(cache):
        assert (prepared(small, cache).load(range(6)) == before).all()
        assert "cannot be written" not in capsys.readouterr().err


def test_an_incomplete_cache_that_is_read_only_is_done_without(
    small: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    wanted = prepared(small, tmp_path / "other").load(range(6))
    cache = tmp_path / "cache"
    cache.mkdir()
    with read_only(cache):
        dataset = prepared(small, cache)
        assert capsys.readouterr().err.count(f"the cache {cache} cannot be written") == 1
        assert (dataset.load(range(6)) == wanted).all()
        assert list(tmp_path.glob("images-*"))
        dataset.close()
    assert not list(tmp_path.glob("images-*"))
    assert not list(cache.iterdir())
