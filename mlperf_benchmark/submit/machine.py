"""What the machine reports about itself, in the terms of MLPerf's system description."""

import platform
import re
from collections.abc import Iterator
from pathlib import Path

import psutil

from mlperf_benchmark.core.machine import describe_system
from mlperf_benchmark.core.versions import installed_versions

SYS = Path("/sys")
GIB, GB = 1 << 30, 1e9
STACK = ("mlcommons-loadgen", "numpy", "opencv-python-headless", "pillow")


def machine_facts() -> dict[str, str]:
    """The fields that could be found out."""
    known = describe_system()
    sockets = _sockets()
    cores = known.physical_cores
    found = {
        "host_processor_model_name": known.cpu_model,
        "host_processors_per_node": str(sockets) if sockets else None,
        "host_processor_core_count": str(cores // max(1, sockets)) if cores else None,
        "host_processor_frequency": _frequency(),
        "host_processor_caches": _caches(),
        "host_memory_capacity": f"{round(known.memory_bytes / GIB)} GiB",
        "host_storage_capacity": _storage_capacity(),
        "host_storage_type": _storage_type(),
        "host_networking": _networking(),
        "host_network_card_count": _card_count(),
        "operating_system": _operating_system(),
        "other_software_stack": _software_stack(),
    }
    return {name: value for name, value in found.items() if value}


def _sockets() -> int:
    packages = {
        _read(path) for path in SYS.glob("devices/system/cpu/cpu*/topology/physical_package_id")
    }
    return len(packages - {""})


def _frequency() -> str | None:
    frequency = psutil.cpu_freq()
    if frequency is None:
        return None
    # Virtual machines report no maximum.
    return f"{frequency.max or frequency.current:.0f} MHz"


def _caches() -> str:
    sizes = []
    for index in sorted(SYS.glob("devices/system/cpu/cpu0/cache/index*")):
        kind = {"Data": "d", "Instruction": "i"}.get(_read(index / "type"), "")
        # The kernel writes KiB as K.
        size = re.sub(r"([KMG])$", r" \1iB", _read(index / "size"))
        sizes.append(f"L{_read(index / 'level')}{kind} {size}")
    return ", ".join(sizes)


def _storage_capacity() -> str:
    return f"{round(psutil.disk_usage('/').total / GB)} GB"


def _storage_type() -> str | None:
    """Of the physical disks; None where the kernel shows virtual ones, whose type it guesses."""
    kinds = set()
    for disk in _with_device(SYS / "block"):
        if disk.name.startswith("nvme"):
            kinds.add("NVMe SSD")
        elif disk.name.startswith("sd"):
            kinds.add("HDD" if _read(disk / "queue" / "rotational") == "1" else "SSD")
    return ", ".join(sorted(kinds)) or None


def _networking() -> str | None:
    speeds = {}
    for name, status in psutil.net_if_stats().items():
        if status.isup and status.speed > 0 and (SYS / "class" / "net" / name / "device").exists():
            speeds[name] = status.speed
    return ", ".join(f"{speed} Mbit/s Ethernet" for speed in sorted(set(speeds.values()))) or None


def _card_count() -> str | None:
    return str(len(list(_with_device(SYS / "class" / "net"))) or "") or None


def _with_device(folder: Path) -> Iterator[Path]:
    """Entries with hardware behind them: not loop, bridge and the like."""
    if folder.is_dir():
        yield from (entry for entry in sorted(folder.iterdir()) if (entry / "device").exists())


def _operating_system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return f"{name}, kernel {platform.release()}"


def _software_stack() -> str:
    packages = ", ".join(f"{name} {number}" for name, number in installed_versions(STACK).items())
    return f"Python {platform.python_version()}, {packages}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
