"""What this process takes of the memory, by the kernel's counters (/proc/self/status)."""

import contextlib
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
KIB = 1024


def resident_bytes() -> int | None:
    """Memory that the process has now (VmRSS), mapped files included; None off Linux."""
    return _counter("VmRSS")


def peak_bytes() -> int | None:
    """The most that it had (VmHWM), since its start or the last `forget_peak`."""
    return _counter("VmHWM")


def forget_peak() -> None:
    """Let the peak begin at what is resident now. Where the kernel forbids it, it goes on."""
    with contextlib.suppress(OSError):
        CLEAR.write_text(RESET_PEAK, encoding="ascii")


def _counter(name: str) -> int | None:
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(f"{name}:")), None)
    return None if found is None else int(found.split()[1]) * KIB
