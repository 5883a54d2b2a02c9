"""A finished run of main.py: its results.json and LoadGen's logs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.loadgen.detail_log import DetailLog, read_detail_log
from mlperf_benchmark.run.output_folder import RESULTS
from mlperf_benchmark.run.result import INVALID, SCHEMA_VERSION
from mlperf_benchmark.submit.audit import kind_of_run

DETAIL = "mlperf_log_detail.txt"
SUMMARY = "mlperf_log_summary.txt"
ACCURACY_LOG = "mlperf_log_accuracy.json"
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


def read_run(folder: Path) -> FinishedRun | None:
    """The run in `folder`; None where there is none. Raises RunError for a damaged one."""
    path = folder / RESULTS
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        version = result["schema_version"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is no result of main.py: {error}. Delete its folder.") from error
    if version != SCHEMA_VERSION:
        raise RunError(f"{path} has schema {version} instead of {SCHEMA_VERSION}: run it again.")
    if result["backend"].get("nodes"):
        raise RunError(f"{folder} is a run on served nodes; a tree is of one machine's.")
    log = read_detail_log(folder)
    return FinishedRun(folder, kind_of_run(log), result, log)


def find_runs(root: Path) -> Iterator[FinishedRun]:
    """All finished runs below `root`."""
    for path in sorted(root.rglob(RESULTS)):
        run = read_run(path.parent)
        if run is not None:
            yield run
