"""No command leaves a run behind that goes on beside whatever is measured next."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from mlperf_benchmark.core.bound_process import bound
from mlperf_benchmark.models.prepare.sample import Sample
from tests.command import ROOT, command, environment
from tests.submit.trees import SUBMISSION, write_system

PATIENCE = 60
LONG = 600
START = f"""
import subprocess, sys, time
from mlperf_benchmark.core.bound_process import bound
child = subprocess.Popen(bound([sys.executable, "-c", "import time; time.sleep({LONG})"]))
print(child.pid, flush=True)
time.sleep({LONG})
"""
MATRIX = f"""\
{{turns}}
[run]
profile = "efficientnet-lite0-openvino"
model = "{{model}}"
dataset = "synthetic"
threads = 1
time = {LONG}
[[variant]]
name = "a"
[[variant]]
name = "b"
"""


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def children_of_a_killed(
    arguments: Sequence[str], cwd: Path, ready: Callable[[], bool], stopped: bool = False
) -> list[psutil.Process]:
    """Start it, kill it as soon as it is `ready`, and return what it had started."""
    with subprocess.Popen(
        arguments, cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_for(ready)
        children = psutil.Process(process.pid).children(recursive=True)
        if stopped:
            for child in children:
                child.suspend()
        process.send_signal(signal.SIGKILL)
    return children


def test_a_child_ends_with_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START], env=environment(), stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
    wait_for(lambda: has_ended(child))


def test_a_child_whose_parent_is_gone_already_does_not_start(tmp_path: Path) -> None:
    """The parent that it names is another than the one it has."""
    words = bound(["touch", str(tmp_path / "started")])
    words[words.index("touch") - 1] = "1"
    assert subprocess.run(words, check=False).returncode == 128 + signal.SIGTERM
    assert not (tmp_path / "started").exists()


def test_a_bound_program_keeps_its_output_and_its_exit_status() -> None:
    code = "import sys; print(sys.argv[1]); sys.exit(7)"
    words = bound([sys.executable, "-c", code, "a word"])
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "a word\n", "")


@pytest.mark.parametrize("turns", ["", "queries_per_turn = 4"])
def test_a_killed_comparison_takes_its_runs_with_it(
    turns: str, sample: Sample, tmp_path: Path
) -> None:
    matrix = tmp_path / "matrix.toml"
    matrix.write_text(MATRIX.format(turns=turns, model=sample.model))
    output = tmp_path / "out"
    options = ("--rounds", 1, "--no-accuracy", "--output", output)
    started = 2 if turns else 1

    def ready() -> bool:
        return len(list(output.glob("rounds/*/*/.incomplete/mlperf_log_detail.txt"))) >= started

    children = children_of_a_killed(
        command([matrix, *options], ROOT / "compare.py"), tmp_path, ready
    )
    assert len(children) == started
    assert psutil.wait_procs(children, PATIENCE)[1] == []
    # They ended in order, so that nothing is left of them.
    assert not list(output.glob("rounds/*/*/.incomplete"))


def test_a_killed_comparison_goes_on_at_once(sample: Sample, tmp_path: Path) -> None:
    """Not beside the runs of the killed one that are still on their way out."""
    matrix = tmp_path / "matrix.toml"
    matrix.write_text(MATRIX.format(turns="", model=sample.model))
    output = tmp_path / "out"
    options = (matrix, "--rounds", 1, "--no-accuracy", "--output", output)

    def ready() -> bool:
        return bool(list(output.glob("rounds/*/*/.incomplete/mlperf_log_detail.txt")))

    arguments = command(options, ROOT / "compare.py")
    # One that is stopped cannot end.
    (child,) = children_of_a_killed(arguments, tmp_path, ready, stopped=True)
    with subprocess.Popen(arguments, cwd=tmp_path, env=environment()) as second:
        try:
            time.sleep(3)
            assert child.is_running()
            assert ready()
            assert psutil.Process(second.pid).children() == []
            child.resume()
            wait_for(lambda: len(psutil.Process(second.pid).children()) == 1 and ready())
            # It frees its folder last, and then only has to exit.
            wait_for(lambda: has_ended(child))
        finally:
            second.kill()


def test_a_killed_submission_takes_its_run_with_it(
    sample: Sample, cache_dir: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    options = (
        *("--profile", "efficientnet-lite0-openvino", "--model", sample.model, "--threads", 1),
        *("--dataset-path", sample.images, "--cache-dir", cache_dir, "--time", LONG),
        *("--scenarios", "SingleStream", "--system", write_system(tmp_path), "--output", output),
    )

    def ready() -> bool:
        return bool(list(output.glob("runs/*/*/.incomplete/mlperf_log_detail.txt")))

    children = children_of_a_killed(command(options, SUBMISSION), tmp_path, ready)
    assert len(children) == 1
    assert psutil.wait_procs(children, PATIENCE)[1] == []
    assert not list(output.glob("runs/*/*/.incomplete"))
