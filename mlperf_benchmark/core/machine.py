"""What is worth knowing of the machine beside a result."""

import os
import platform
from pathlib import Path
from typing import Any

import psutil

from mlperf_benchmark.core.cpus import cpu_quota

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def describe_system() -> dict[str, Any]:
    """Facts of the machine, read now. None where the system does not tell."""
    return {
        "cpu_model": cpu_model(),
        "physical_cores": psutil.cpu_count(logical=False),
        "logical_cpus": psutil.cpu_count(),
        "usable_cpus": len(os.sched_getaffinity(0)),
        "cpu_quota": cpu_quota(),
        "memory_bytes": psutil.virtual_memory().total,
        "governor": _read(GOVERNOR),
        "load_average_1min": os.getloadavg()[0],
        "kernel": platform.release(),
        "os": platform.platform(),
        "python": platform.python_version(),
    }


def cpu_model() -> str | None:
    """The processor's name. None where the system does not tell."""
    info = _read(Path("/proc/cpuinfo")) or ""
    for line in info.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
