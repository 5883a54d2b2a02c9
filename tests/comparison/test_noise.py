"""Warnings about figures that spread, and what they name as the cause."""

import dataclasses
import os

import pytest

from mlperf_benchmark.compare.noise import Noise, NoiseWatch, spread_warning
from tests.comparison.stored import QUIET

WIDE = [1.0, 1.5, 2.0, 2.5, 3.0]


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


def test_the_machine_can_be_watched() -> None:
    watch = NoiseWatch(os.getpid())
    with watch.watching():
        watch.sample()
    noise = watch.noise()
    assert noise.load_before >= 0
    assert noise.steal is None or 0 <= noise.steal <= 1
    assert noise.others_cpus is None or noise.others_cpus >= 0
