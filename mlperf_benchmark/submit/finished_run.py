"""A finished run of main.py: its results.json and LoadGen's logs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.errors import RunError, UsageError
from mlperf_benchmark.core.output_names import PLAN, RESULT
from mlperf_benchmark.loadgen.detail_log import DetailLog, read_detail_log
from mlperf_benchmark.run.result import INVALID, SCHEMA_VERSION
from mlperf_benchmark.submit.audit import kind_of_run

USER_CONF = "user.conf"
"""Kept beside a run that was made with one."""


@dataclass(frozen=True)
class FinishedRun:
    """`kind` is performance, accuracy, TEST01 or TEST04."""

    folder: Path
    kind: str
    result: dict[str, Any]
    log: DetailLog

    @property
    def scenario(self) -> str:
        return str(self.result["scenario"])

    @property
    def name(self) -> str:
        return f"{self.scenario} {self.kind}"

    @property
    def is_valid(self) -> bool:
        return bool(self.result["validity"] != INVALID)


@dataclass(frozen=True)
class FoundRuns:
    """`left_out` says of each folder with something else what it is."""

    runs: list[FinishedRun]
    left_out: list[str]


def read_run(folder: Path) -> FinishedRun | None:
    """The run in `folder`; None where there is none. Raises RunError for a damaged one."""
    path = folder / RESULT
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        version = result["schema_version"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is no result of main.py: {error}. Delete its folder.") from error
    if version != SCHEMA_VERSION:
        raise RunError(f"{path} has schema {version} instead of {SCHEMA_VERSION}: run it again.")
    log = read_detail_log(folder)
    return FinishedRun(folder, kind_of_run(log), result, log)


def find_runs(root: Path) -> FoundRuns:
    """All finished runs below `root`. Raises UsageError where there is no such folder."""
    if not root.is_dir():
        raise UsageError(f"No folder {root}; --runs names the one that holds finished runs.")
    runs: list[FinishedRun] = []
    # A comparison is named once, not with every run of its rounds.
    left_out: dict[str, None] = {}
    for path in sorted(root.rglob(RESULT)):
        reason = _of_comparison(path, root) or _of_something_else(path)
        try:
            run = read_run(path.parent) if reason is None else None
        except RunError as error:
            reason = str(error).rstrip(".")
        if reason is not None:
            left_out[reason] = None
        elif run is not None:
            runs.append(run)
    return FoundRuns(runs, list(left_out))


def _of_comparison(path: Path, root: Path) -> str | None:
    within = [folder for folder in path.parents if folder.is_relative_to(root)]
    found = next((folder for folder in within if (folder / PLAN).is_file()), None)
    return None if found is None else f"{found} is a comparison"


def _of_something_else(path: Path) -> str | None:
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        if "rows" in result:
            return f"{path} is of a comparison"
        if result["backend"].get("nodes"):
            return f"{path.parent} is a run on served nodes, and a tree is of one machine's"
        if result["config"].get("tests_per_run"):
            return f"{path.parent} is a run of several tests, and a tree takes runs of one"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{path} is no result of main.py"
    return None
