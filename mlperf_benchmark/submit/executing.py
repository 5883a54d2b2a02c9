"""Runs main.py, each run in a process of its own, and skips what is finished."""

import contextlib
import dataclasses
import subprocess
import sys
from pathlib import Path

from mlperf_benchmark.core.bound_process import bound
from mlperf_benchmark.core.errors import RunError, UsageError
from mlperf_benchmark.core.files import staged
from mlperf_benchmark.loadgen.user_conf import read_user_conf
from mlperf_benchmark.models.files.model_files import model_files
from mlperf_benchmark.run.data import open_dataset
from mlperf_benchmark.submit.finished_run import USER_CONF, FinishedRun, read_run
from mlperf_benchmark.submit.plan import PlannedRun

MAIN = Path(__file__).parents[2] / "main.py"
FINISHED, FINISHED_INVALID = 0, 3
# Ctrl-C reaches the run, too, which clears up; a second signal would cut that short.
SECONDS_TO_END_ALONE = 3
SECONDS_TO_END = 30
# What may differ between two runs of the same thing.
INCIDENTAL = ("output", "overwrite", "cache_dir", "profile")


def finished(run: PlannedRun) -> FinishedRun | None:
    """What is there of `run`, if it may stay: VALID, and made with what user.conf says now.

    Raises UsageError where the folder holds a run of something else.
    """
    found = read_run(run.output)
    if found is None:
        return None
    different = differences(run, found)
    if different:
        raise UsageError(
            f"{run.output} holds a run of something else: {'; '.join(different)}. Choose another "
            f"--output, or delete that folder."
        )
    if _targets(run, run.config.user_conf) != _targets(run, found.folder / USER_CONF):
        return None
    return found if found.is_valid else None


def differences(run: PlannedRun, found: FinishedRun) -> list[str]:
    """In what configuration, model or images of a finished run are not the planned ones."""
    used = dataclasses.asdict(found.result.config)
    different = [
        f"{name} {used[name]} instead of {value}"
        for name, value in dataclasses.asdict(run.config).items()
        if name not in INCIDENTAL and used[name] != value
    ]
    if run.config.model is not None and not different:
        sha256 = run.hashes.of(*model_files(run.config.model))
        if found.result.model is None or found.result.model.sha256 != sha256:
            different.append("the model file has changed")
    # Older runs do not tell.
    known = found.result.dataset.fingerprint
    if known and not different and known != open_dataset(run.config).fingerprint():
        different.append("the images or their labels have changed")
    return different


def execute(run: PlannedRun) -> FinishedRun:
    """Make one run and read what it left. Raises RunError where it failed."""
    command = [sys.executable, str(MAIN), *run.arguments, "--output", str(run.output)]
    user_conf = run.config.user_conf
    used = user_conf.read_bytes() if user_conf else None
    with subprocess.Popen(bound([*command, "--overwrite"])) as process:  # noqa: S603 - ours
        try:
            status = process.wait()
        except BaseException:
            _end(process)
            raise
    done = read_run(run.output) if status in (FINISHED, FINISHED_INVALID) else None
    if done is None:
        raise RunError(
            f"{run.name} failed with exit status {status}; the reason stands above. Finished runs "
            f"are kept; the same command goes on."
        )
    if used is not None:
        with staged(run.output) as folder:
            (folder / USER_CONF).write_bytes(used)
    return done


def _targets(run: PlannedRun, user_conf: Path | None) -> dict[str, str]:
    """What a user.conf says about the run's scenario."""
    if user_conf is None or not user_conf.is_file():
        return {}
    settings = read_user_conf(user_conf, run.config.model_name)
    scenarios = (run.config.scenario, "*")
    return {name: value for name, value in settings.items() if name.split(".")[-2] in scenarios}


def _end(process: "subprocess.Popen[bytes]") -> None:
    if _has_ended(process, SECONDS_TO_END_ALONE):
        return
    process.terminate()
    if not _has_ended(process, SECONDS_TO_END):
        process.kill()
        process.wait()


def _has_ended(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.returncode is not None
