"""Warnings about figures that spread, and what they name as the cause."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import psutil
import pytest

from mlperf_benchmark.compare.noise import Noise, NoiseWatch, spread_warning
from tests.compare.stored import QUIET

WIDE = [1.0, 1.5, 2.0, 2.5, 3.0]


@contextmanager
def running(program: str) -> Iterator[int]:
    """The process id of a Python program that is ended afterwards."""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


def seconds_of(process: int) -> float:
    """Of a CPU."""
    times = psutil.Process(process).cpu_times()
    return times.user + times.system


def test_narrow_figures_give_no_warning() -> None:
    assert spread_warning([1.0, 1.01, 1.02, 1.0], [QUIET] * 4, cpus=2) is None


@pytest.mark.parametrize(
    ("noise", "cause"),
    [
        (QUIET, "no cause seen"),
        (dataclasses.replace(QUIET, steal=0.2), "the hypervisor took up to 20% of the CPU time"),
        (dataclasses.replace(QUIET, others_cpus=1.5), "other programs kept up to 1.5 of 2 CPUs"),
        (dataclasses.replace(QUIET, frequency_mhz=(1800.0, 3000.0)), "from 1800 to 3000 MHz"),
        (Noise(0.1, None, None, None), "no cause seen"),
    ],
)
def test_the_cause_is_named(noise: Noise, cause: str) -> None:
    warning = spread_warning(WIDE, [QUIET, noise], cpus=2)
    assert warning is not None
    assert "spreads by 50% over the rounds" in warning
    assert cause in warning


def test_work_of_the_watched_process_is_no_noise() -> None:
    """On a busy machine both figures are larger, by the same."""
    with running("while True: pass") as busy, running("input()") as idle:
        spared, counted = NoiseWatch(busy), NoiseWatch(idle)
        start = seconds_of(busy)
        with counted.watching(), spared.watching():
            while seconds_of(busy) < start + 0.3:
                time.sleep(0.01)
        own, noise = spared.noise().others_cpus, counted.noise().others_cpus
    assert own is not None
    assert noise is not None
    assert noise > own


def test_load_and_frequency_are_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([1800.0, 3000.0, 2400.0])
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 0.5, 0.1))
    monkeypatch.setattr(psutil, "cpu_freq", lambda: SimpleNamespace(current=next(readings)))
    monkeypatch.setattr("mlperf_benchmark.compare.noise.SAMPLE_SECONDS", 0.0)
    watch = NoiseWatch(os.getpid())
    with watch.watching():
        for _ in range(3):
            watch.sample()
    assert watch.noise().load_before == 1.5
    assert watch.noise().frequency_mhz == (1800.0, 3000.0)


def test_steal_is_the_share_of_all_cpus_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stolen, clock = iter([2.0, 3.0]), iter([100.0, 110.0])
    monkeypatch.setattr(psutil, "cpu_times", lambda: SimpleNamespace(user=0.0, steal=next(stolen)))
    monkeypatch.setattr(psutil, "cpu_count", lambda: 2)
    watch = NoiseWatch(os.getpid())
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with watch.watching():
        pass
    monkeypatch.undo()
    monkeypatch.setattr(psutil, "cpu_count", lambda: 2)
    assert watch.noise().steal == pytest.approx(1 / (10 * 2))
