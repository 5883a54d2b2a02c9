"""What else went on in the machine while a cell ran."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psutil

WIDE = 0.05
BUSY_SHARE = 0.5
STEAL_SHARE = 0.01
OTHERS_SHARE = 0.1
FREQUENCY_CHANGE = 0.05


@dataclass(frozen=True)
class Noise:
    """`load_before` is the load average of the last minute when the cell started.

    `frequency_mhz` is the lowest and the highest reading of the CPUs' mean. `steal` is the share
    of the CPUs' time that the hypervisor gave to others, `others_cpus` how many CPUs other
    programs kept busy. None where the system does not tell.
    """

    load_before: float
    frequency_mhz: tuple[float, float] | None
    steal: float | None
    others_cpus: float | None


class NoiseWatch:
    """Made when a cell starts; `sample` while it runs; `finish` when it is over."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._cpu = psutil.cpu_times()
        self._own = _own_seconds()
        self._wall = _wall_seconds()
        self._frequencies: list[float] = []
        self.sample()

    def sample(self) -> None:
        """Read the frequency."""
        frequency = psutil.cpu_freq()
        if frequency is not None and frequency.current:
            self._frequencies.append(float(frequency.current))

    def finish(self) -> Noise:
        """What happened since the start. The cell's process must have been waited for."""
        cpu = psutil.cpu_times()
        wall = _wall_seconds() - self._wall
        cpus = psutil.cpu_count() or 1
        busy = sum(
            getattr(cpu, name, 0.0) - getattr(self._cpu, name, 0.0)
            for name in ("user", "nice", "system", "irq", "softirq")
        )
        stolen = getattr(cpu, "steal", None)
        others = (busy - (_own_seconds() - self._own)) / wall if wall > 0 else None
        return Noise(
            load_before=self._load,
            frequency_mhz=(min(self._frequencies), max(self._frequencies))
            if self._frequencies
            else None,
            steal=None
            if stolen is None or wall <= 0
            else max(0.0, (stolen - self._cpu.steal) / (wall * cpus)),
            others_cpus=None if others is None else max(0.0, others),
        )


def busy_warning(cpus: int) -> str | None:
    """For a machine that has other things to do before the start."""
    load = os.getloadavg()[0]
    if load <= BUSY_SHARE * cpus:
        return None
    return f"the machine is busy: its load average is {load:.1f} on {cpus} CPUs."


def spread(values: Sequence[float]) -> float:
    """The middle half's range relative to the median."""
    low, middle, high = np.quantile(np.asarray(values, float), (0.25, 0.5, 0.75))
    return float((high - low) / middle)


def spread_warning(values: Sequence[float], noises: Sequence[Noise], cpus: int) -> str | None:
    """For values that spread widely over the rounds: by how much, and what may be the cause."""
    if len(values) < 2 or spread(values) <= WIDE:
        return None
    causes = _causes(noises, cpus) or [
        "no cause seen in load, frequency or steal time; longer runs or more rounds help"
    ]
    return (
        f"spreads by {spread(values):.0%} over the rounds (middle half / median): "
        f"{'; '.join(causes)}."
    )


def _causes(noises: Sequence[Noise], cpus: int) -> list[str]:
    causes = []
    steal = max((noise.steal or 0.0 for noise in noises), default=0.0)
    if steal > STEAL_SHARE:
        causes.append(f"the hypervisor took up to {steal:.0%} of the CPU time away (steal)")
    others = max((noise.others_cpus or 0.0 for noise in noises), default=0.0)
    if others > OTHERS_SHARE * cpus:
        causes.append(f"other programs kept up to {others:.1f} of {cpus} CPUs busy")
    readings = [noise.frequency_mhz for noise in noises if noise.frequency_mhz]
    if readings:
        low, high = min(low for low, _ in readings), max(high for _, high in readings)
        if high > low * (1 + FREQUENCY_CHANGE):
            causes.append(f"the CPU frequency went from {low:.0f} to {high:.0f} MHz")
    return causes


def _own_seconds() -> float:
    """CPU time of this process and of its children that were waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _wall_seconds() -> float:
    return os.times().elapsed
