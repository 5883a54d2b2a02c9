"""A run can be interrupted or killed at any moment."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from mlperf_benchmark.models.prepare.sample import Sample
from tests.command import MAIN, ROOT, WITH_TEST_BACKENDS, command, environment, run_main
from tests.environments.client import ENVIRONMENTS

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
PATIENCE = 60
REPEATS = 150
KILLS = 6
SHORT_LIFE = 5
SCRIPTS = tuple(ENVIRONMENTS)
# Stands in for a library that takes long to import.
SLOW_IMPORT = """
import pathlib, time
pathlib.Path(__file__).with_name("reached").touch()
time.sleep(60)
"""

CLEANS_UP = """
import time
from mlperf_benchmark.core.process import console_script

def main():
    try:
        print("ready", flush=True)
        time.sleep(600)
    finally:
        time.sleep({seconds})
        print("cleaned up", flush=True)

console_script()(lambda: main)()
"""


def start(
    arguments: Sequence[object], script: Path = MAIN, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """In a process group of its own, so that orphans can be found."""
    return subprocess.Popen(
        command(arguments, script),
        cwd=ROOT,
        env=environment() | dict(env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def has_orphans(process: subprocess.Popen[str]) -> bool:
    """Whether children live on. Runtimes fork some for moments, to try what the CPU can do."""
    end = time.monotonic() + SHORT_LIFE
    while time.monotonic() < end:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def many_images(sample: Sample, tmp_path: Path) -> Path:
    """A list that names the sample's images often enough to take seconds."""
    text = (sample.images / "val_map.txt").read_text().rstrip("\n") + "\n"
    path = tmp_path / "many.txt"
    path.write_text(text * REPEATS)
    return path


@pytest.fixture
def arguments(sample: Sample, tmp_path: Path) -> list[object]:
    return [
        *("--profile", "efficientnet-lite0-openvino", "--model", sample.model),
        *("--dataset-path", sample.images, "--cache-dir", tmp_path / "cache"),
        *("--output", tmp_path / "output"),
    ]


@pytest.mark.parametrize("number", STATUS)
@pytest.mark.parametrize("moment", ["loading", "preprocessing", "running"])
def test_interrupted_run_leaves_nothing(
    moment: str,
    number: signal.Signals,
    arguments: list[object],
    many_images: Path,
    tmp_path: Path,
) -> None:
    output = tmp_path / "output"
    reached: dict[str, Path] = {
        "loading": output / ".incomplete",
        "preprocessing": tmp_path / "cache" / "preprocessed",
        "running": output / ".incomplete" / "mlperf_log_detail.txt",
    }
    extra = ("--dataset-list", many_images) if moment == "preprocessing" else ()
    with start([*arguments, *extra]) as process:
        wait_until(reached[moment].exists, process)
        time.sleep(0.3 if moment == "running" else 0.05)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == STATUS[number], stderr
    assert "no result was written" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    assert "Result:" not in stdout
    assert not output.exists()
    assert not has_orphans(process)


@pytest.mark.parametrize("scenario", ["SingleStream", "Offline", "Server", "MultiStream"])
def test_busy_harness_can_be_interrupted(scenario: str, tmp_path: Path) -> None:
    """The null backend leaves LoadGen's threads no pause."""
    output = tmp_path / "output"
    arguments = ("--profile", "null", "--scenario", scenario, "--time", "20", "--output", output)
    with start(arguments) as process:
        wait_until((output / ".incomplete" / "mlperf_log_detail.txt").exists, process)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert not output.exists()


def test_killed_at_random_moments_a_rerun_works(
    arguments: list[object], sample: Sample, tmp_path: Path
) -> None:
    """Results are whole or absent after each kill, and the last run is right."""
    result = tmp_path / "output" / "results.json"
    # The earlier moments of a run are more interesting than its end.
    for _ in range(KILLS):
        with start([*arguments, "--accuracy", "--overwrite"]) as process:
            try:
                process.wait(timeout=random.uniform(0.3, 3))
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate(timeout=PATIENCE)
        assert not has_orphans(process), process.pid
        if result.exists():
            assert json.loads(result.read_text())["accuracy"]["total"] == 20
    last = run_main(*arguments[:-2], "--accuracy", "--overwrite", output=tmp_path / "output")
    assert last.status == 0, last.stderr
    assert last.result["accuracy"]["total"] == 20
    assert last.result["accuracy"]["good"] >= 17
    assert not (tmp_path / "output" / ".incomplete").exists()


def test_impatient_user_gets_the_same_end(arguments: list[object]) -> None:
    with start(arguments) as process:
        wait_until((Path(str(arguments[-1])) / ".incomplete").exists, process)
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.002)
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("seconds", "last_words"),
    [
        (0.3, "Terminated; no result was written."),
        (60, "Terminated; cleaning up was not finished."),
    ],
)
def test_signals_at_once_are_one_and_a_later_one_ends_long_cleaning(
    seconds: float, last_words: str, tmp_path: Path
) -> None:
    """Linux sends a run one for each thread of the comparison that was killed."""
    script = tmp_path / "cleans_up.py"
    script.write_text(CLEANS_UP.format(seconds=seconds))
    with subprocess.Popen(
        [sys.executable, script],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert stderr.splitlines() == [last_words]
    assert ("cleaned up" in stdout) == (seconds < 1)


@pytest.mark.parametrize("number", STATUS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_signal_before_the_libraries_are_imported(
    script: str, number: signal.Signals, tmp_path: Path
) -> None:
    # sample.py imports little where the sample is made already.
    slow = tmp_path / ("msgspec" if script == "sample.py" else "numpy")
    slow.mkdir()
    (slow / "__init__.py").write_text(SLOW_IMPORT)
    path = os.pathsep.join((str(tmp_path), environment()["PYTHONPATH"]))
    with start((), ROOT / script, {"PYTHONPATH": path}) as process:
        wait_until((slow / "reached").exists, process)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == STATUS[number]
    assert len(stderr.splitlines()) == 1, stderr


def test_signal_after_the_result_says_that_there_is_one(tmp_path: Path) -> None:
    output = tmp_path / "output"
    arguments = (
        *("--backend", "ClosesSlowly", "--dataset", "synthetic", "--queries", "100"),
        *("--output", output),
    )
    with start(arguments, WITH_TEST_BACKENDS) as process:
        wait_until((output / "results.json").exists, process)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert stderr == f"Interrupted; the run was finished: its result is in {output}.\n"
    assert json.loads((output / "results.json").read_text())["queries"] == 100
