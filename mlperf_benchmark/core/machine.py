"""Facts about the machine that belong beside a result."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlperf_benchmark.core.cpus import cpu_quota
from mlperf_benchmark.core.versions import package_versions

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


@dataclass(frozen=True)
class System:
    """Facts of the machine and versions by package. None where the system does not tell.

    `cpu_quota` is a container's, in CPUs.
    """

    cpu_model: str | None
    physical_cores: int | None
    logical_cpus: int | None
    usable_cpus: int
    cpu_quota: float | None
    memory_bytes: int
    governor: str | None
    load_average_1min: float
    kernel: str
    os: str
    python: str
    packages: dict[str, str]


def describe_system() -> System:
    """Read now."""
    return System(
        cpu_model=cpu_model(),
        physical_cores=psutil.cpu_count(logical=False),
        logical_cpus=psutil.cpu_count(),
        usable_cpus=len(os.sched_getaffinity(0)),
        cpu_quota=cpu_quota(),
        memory_bytes=psutil.virtual_memory().total,
        governor=_read(GOVERNOR),
        load_average_1min=os.getloadavg()[0],
        kernel=platform.release(),
        os=platform.platform(),
        python=platform.python_version(),
        packages=package_versions(),
    )


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
