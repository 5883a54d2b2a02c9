"""The detail log of any run: reading it, and what must hold for each."""

import math
from collections.abc import Callable
from pathlib import Path

from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.loadgen.detail_log import DetailLog, read_detail_log
from mlperf_benchmark.loadgen.log_files import DETAIL
from mlperf_benchmark.submit.checking.finding import Finding, Findings
from mlperf_benchmark.submit.rules import RulesVersion

RUN_AGAIN = "Run it again"
SHOWN_ERRORS = 3
SHOWN_CHARACTERS = 40


def check_log(
    folder: Path, version: RulesVersion, check: Callable[[Path, DetailLog], Findings]
) -> Findings:
    """LoadGen's errors, the round's seeds, and what else `check` finds in the log of `folder`."""
    path = folder / DETAIL
    try:
        log = read_detail_log(folder)
        yield from _check_errors(path, log)
        yield from _check_seeds(path, log, version)
        yield from check(path, log)
    except RunError as error:
        # A finding names the path already.
        problem = str(error).replace(f" at {path}", "").replace(f" {path}", "").rstrip(".")
        yield Finding(path, problem, f"{RUN_AGAIN}.")
    except KeyError as error:
        yield Finding(path, f"LoadGen's entry {error} is missing", f"{RUN_AGAIN}.")


def number(log: DetailLog, key: str) -> float:
    """A number that LoadGen logged. Raises KeyError where it is missing, RunError for no number."""
    value = log.values[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        shown = repr(value)[:SHOWN_CHARACTERS]
        raise RunError(f"LoadGen's entry {key} is not a number: {shown}")
    return value


def _check_errors(path: Path, log: DetailLog) -> Findings:
    for error in log.errors[:SHOWN_ERRORS]:
        yield Finding(path, f"LoadGen logged an error: {error.rstrip('. ')}", f"{RUN_AGAIN}.")
    more = len(log.errors) - SHOWN_ERRORS
    if more > 0:
        yield Finding(path, f"LoadGen logged {more} more errors", f"{RUN_AGAIN}.")
    counted = number(log, "num_errors") if "num_errors" in log.values else 0
    if counted and not log.errors:
        yield Finding(path, f"LoadGen counted {counted} errors", f"{RUN_AGAIN}.")


def _check_seeds(path: Path, log: DetailLog, version: RulesVersion) -> Findings:
    wrong = [name for name, seed in version.seeds.items() if log.effective(name) != seed]
    if wrong:
        loadgen = str(log.values.get("loadgen_version", "")).partition(" ")[0]
        yield Finding(
            path,
            f"{', '.join(wrong)} of LoadGen {loadgen} do not belong to {version.name}",
            f"{RUN_AGAIN} with LoadGen {version.loadgen}.",
        )
