"""The CPUs that this process may use: affinity and a container's quota."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
CPU_INFO = Path("/proc/cpuinfo")
TOPOLOGY = Path("/sys/devices/system/cpu")


def cpu_quota(cgroup: Path = CGROUP) -> float | None:
    """CPUs that the control group grants, e.g. 1.5 for `docker run --cpus 1.5`; None if unlimited.

    Reads cpu.max (cgroup v2), or cpu.cfs_quota_us and cpu.cfs_period_us (v1).
    """
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if quota in ("max", "-1"):
        return None
    return int(quota) / int(period)


def cpu_flags(info: Path = CPU_INFO) -> frozenset[str]:
    """The features that Linux reports of an x86 processor; empty for others."""
    try:
        lines = info.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split()[2:])


def usable_cpus(cgroup: Path = CGROUP) -> int:
    """Whole CPUs that can be kept busy, at least 1: the affinity mask, bounded by the quota."""
    allowed = len(os.sched_getaffinity(0))
    quota = cpu_quota(cgroup)
    return allowed if quota is None else max(1, min(allowed, math.floor(quota)))


def threads_of_quota() -> int | None:
    """Runtimes see the machine's cores; under a container's quota they start too many threads."""
    return None if cpu_quota() is None else usable_cpus()


def usable_cores(topology: Path = TOPOLOGY) -> int:
    """Physical cores among the CPUs of the affinity mask: CPUs that share a core count once."""
    allowed = os.sched_getaffinity(0)
    try:
        shared = [topology / f"cpu{cpu}" / "topology" / "thread_siblings_list" for cpu in allowed]
        return len({file.read_text() for file in shared})
    except OSError:
        return len(allowed)
