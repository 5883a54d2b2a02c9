"""A finished run of main.py: its results.json and LoadGen's logs."""

from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.errors import RunError, UsageError
from mlperf_benchmark.core.output_names import PLAN, RESULT
from mlperf_benchmark.loadgen.detail_log import DetailLog, read_detail_log
from mlperf_benchmark.run.result import Result, read_result
from mlperf_benchmark.submit.audit import kind_of_run

USER_CONF = "user.conf"
"""Kept beside a run that was made with one."""


@dataclass(frozen=True)
class FinishedRun:
    """`kind` is performance, accuracy, TEST01 or TEST04."""

    folder: Path
    kind: str
    result: Result
    log: DetailLog

    @property
    def scenario(self) -> str:
        return self.result.scenario

    @property
    def name(self) -> str:
        return f"{self.scenario} {self.kind}"

    @property
    def is_valid(self) -> bool:
        return self.result.is_valid


@dataclass(frozen=True)
class FoundRuns:
    """`left_out` says of each folder with something else what it is."""

    runs: list[FinishedRun]
    left_out: list[str]


def read_run(folder: Path) -> FinishedRun | None:
    """The run in `folder`; None where there is none. Raises RunError for a damaged one."""
    try:
        return _read(folder / RESULT)
    except FileNotFoundError:
        return None
    except RunError as error:
        raise RunError(f"{error} Delete its folder first.") from error


def find_runs(root: Path) -> FoundRuns:
    """All finished runs below `root`. Raises UsageError where there is no such folder."""
    if not root.is_dir():
        raise UsageError(f"No folder {root}; --runs names the one that holds finished runs.")
    runs: list[FinishedRun] = []
    # A comparison is named once, not with every run of its rounds.
    left_out: dict[str, None] = {}
    for path in sorted(root.rglob(RESULT)):
        reason = _of_comparison(path, root)
        if reason is None:
            try:
                run = _read(path)
            except RunError as error:
                reason = str(error).rstrip(".")
            else:
                reason = _of_another_kind(run)
        if reason is None:
            runs.append(run)
        else:
            left_out[reason] = None
    return FoundRuns(runs, list(left_out))


def _read(path: Path) -> FinishedRun:
    """Raises FileNotFoundError, or RunError for a damaged one."""
    try:
        result = read_result(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}.") from error
    log = read_detail_log(path.parent)
    return FinishedRun(path.parent, kind_of_run(log), result, log)


def _of_comparison(path: Path, root: Path) -> str | None:
    within = [folder for folder in path.parents if folder.is_relative_to(root)]
    found = next((folder for folder in within if (folder / PLAN).is_file()), None)
    return None if found is None else f"{found} is a comparison"


def _of_another_kind(run: FinishedRun) -> str | None:
    if run.result.backend.nodes:
        return f"{run.folder} is a run on served nodes, and a tree is of one machine's"
    if run.result.config.tests_per_run:
        return f"{run.folder} is a run of several tests, and a tree takes runs of one"
    return None
