"""LoadGen's audit.config of the compliance tests, from the settings that MLPerf documents.

TEST01 logs a part of a performance run's answers, TEST04 issues one sample over and over.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from mlperf_benchmark.core.files import staged
from mlperf_benchmark.loadgen.detail_log import DetailLog
from mlperf_benchmark.submit.rules import ACCURACY, PERFORMANCE, TEST01, TEST04

PERFORMANCE_ONLY = 2
SETTINGS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        TEST01: MappingProxyType(
            {
                "mode": PERFORMANCE_ONLY,
                "accuracy_log_rng_seed": 720381539243781796,
                "accuracy_log_sampling_target": 4096,
            }
        ),
        TEST04: MappingProxyType(
            {
                "mode": PERFORMANCE_ONLY,
                "performance_issue_unique": 0,
                "performance_issue_same": 1,
                "performance_issue_same_index": 3,
            }
        ),
    }
)


def audit_config(test: str, folder: Path) -> Path:
    """Where the settings of a compliance test are written."""
    return folder / f"{test}.audit.config"


def write_audit_configs(folder: Path) -> None:
    """Write the settings of both tests."""
    for test, settings in SETTINGS.items():
        lines = [f"*.*.{key} = {value}\n" for key, value in settings.items()]
        with staged(folder) as staging:
            audit_config(test, staging).write_text("".join(lines), encoding="utf-8")


def kind_of_run(log: DetailLog) -> str:
    """What a run was, from the settings that LoadGen says it used."""
    if log.effective("test_mode") == "AccuracyOnly":
        return ACCURACY
    if log.effective("performance_issue_same"):
        return TEST04
    if log.effective("accuracy_log_sampling_target"):
        return TEST01
    return PERFORMANCE
