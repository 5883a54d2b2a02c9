"""What else went on in the machine while a cell ran."""

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil
from numpy.typing import NDArray

SAMPLE_SECONDS = 1.0
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
    """Watches while the process of a cell runs, or whenever it has its turn.

    `process` is its id. Noise is what all processes but that one and this one do.
    """

    def __init__(self, process: int) -> None:
        self._process = process
        self._load = os.getloadavg()[0]
        self._frequencies: list[float] = []
        self._sampled = -math.inf
        self._passed = np.zeros(4)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count what happens meanwhile. At its end the process may have ended, but must not have
        been waited for.
        """
        start = _clocks(self._process)
        yield
        self._passed += _clocks(self._process) - start

    def sample(self) -> None:
        """Read the frequency, at most once a second."""
        now = time.monotonic()
        if now - self._sampled < SAMPLE_SECONDS:
            return
        self._sampled = now
        frequency = psutil.cpu_freq()
        if frequency is not None and frequency.current:
            self._frequencies.append(float(frequency.current))

    def noise(self) -> Noise:
        """The noise from the start until now."""
        wall, busy, own, stolen = (float(seconds) for seconds in self._passed)
        cpus = psutil.cpu_count() or 1
        return Noise(
            load_before=self._load,
            frequency_mhz=(min(self._frequencies), max(self._frequencies))
            if self._frequencies
            else None,
            steal=None if wall <= 0 or math.isnan(stolen) else max(0.0, stolen / (wall * cpus)),
            others_cpus=max(0.0, (busy - own) / wall) if wall > 0 else None,
        )


def noise_of_all(parts: Sequence[tuple[Noise, float]]) -> Noise:
    """The noise of several runs together, weighted by their seconds."""
    readings = [noise.frequency_mhz for noise, _ in parts if noise.frequency_mhz]
    return Noise(
        load_before=parts[0][0].load_before,
        frequency_mhz=(min(low for low, _ in readings), max(high for _, high in readings))
        if readings
        else None,
        steal=_weighted([(noise.steal, seconds) for noise, seconds in parts]),
        others_cpus=_weighted([(noise.others_cpus, seconds) for noise, seconds in parts]),
    )


def _weighted(parts: Sequence[tuple[float | None, float]]) -> float | None:
    known = [(value, seconds) for value, seconds in parts if value is not None]
    total = sum(seconds for _, seconds in known)
    return sum(value * seconds for value, seconds in known) / total if total > 0 else None


def busy_warning(cpus: int) -> str | None:
    """A warning where the machine is busy before the start, or None."""
    load = os.getloadavg()[0]
    if load <= BUSY_SHARE * cpus:
        return None
    return f"the machine is busy: its load average is {load:.1f} on {cpus} CPUs."


def spread(values: Sequence[float]) -> float:
    """The middle half's range relative to the median."""
    low, middle, high = np.quantile(np.asarray(values, float), (0.25, 0.5, 0.75))
    return float((high - low) / middle)


def spread_warning(values: Sequence[float], noises: Sequence[Noise], cpus: int) -> str | None:
    """A warning where values spread widely over the rounds, with the likely cause; else None."""
    if len(values) < 2 or spread(values) <= WIDE:
        return None
    causes = _causes(noises, cpus) or ["no cause seen in load, frequency or steal time"]
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


def _clocks(process: int) -> NDArray[np.float64]:
    """Seconds that have passed: on the wall, of busy CPUs, of CPUs busy with `process` and this
    one, of CPUs that the hypervisor gave to others (NaN where the system does not tell).
    """
    cpu = psutil.cpu_times()
    own = [psutil.Process().cpu_times(), psutil.Process(process).cpu_times()]
    return np.array(
        [
            time.monotonic(),
            sum(getattr(cpu, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq")),
            sum(one.user + one.system for one in own),
            getattr(cpu, "steal", math.nan),
        ]
    )
