"""The memory that this process takes, by the kernel's counters (/proc/self/status)."""

import contextlib
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
KIB = 1024


def resident_bytes() -> int | None:
    """Memory that is resident now (VmRSS), mapped files included; None off Linux."""
    return _counter("VmRSS")


def peak_bytes() -> int | None:
    """The peak of resident memory (VmHWM) since the start or the last `forget_peak`."""
    return _counter("VmHWM")


def forget_peak() -> None:
    """Reset the peak to what is resident now; without effect where the kernel forbids it."""
    with contextlib.suppress(OSError):
        CLEAR.write_text(RESET_PEAK, encoding="ascii")


def _counter(name: str) -> int | None:
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(f"{name}:")), None)
    return None if found is None else int(found.split()[1]) * KIB
