"""Do Offline and Server runs that take turns spread less than whole runs one after the other?

Two equal variants of the sample model are compared with and without `tests_per_run`, a round of
each in alternation, so that both meet the same machine. A round takes the same time on the model
in both. Printed is the standard deviation of the logarithm of the rounds' ratios, which should be
half as large with turns at the most. Rounds are kept in --output; a second call adds to them.

    python3 sample.py
    python3 -m benchmarks.turns_spread [--rounds 20] [--scenario Offline] [--time 8] [--tests 8]
    python3 -m benchmarks.turns_spread --scenario Server --qps 60 --tests 16
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console

from mlperf_benchmark.compare.commands import PROGRAM, compare
from mlperf_benchmark.compare.record import Comparison, read_comparison
from mlperf_benchmark.core.option_values import positive, positive_int
from mlperf_benchmark.core.turn_protocol import TEST_TURN_SCENARIOS

MATRIX = """\
title = "Equal variants"
accuracy = false
{turns}
[run]
profile = "efficientnet-lite0-openvino"
model = "{sample}/efficientnet-lite0_fp32.xml"
dataset_path = "{sample}/imagenet"
cache_dir = "build/cache"
time = {time}
threads = 2
{rate}
[axes]
scenario = ["{scenario}"]
[[variant]]
name = "one"
[[variant]]
name = "same"
"""

# A bound that a busy moment does not miss: what is asked is how far p50 spreads.
RATE = """\
qps = {qps}
max_latency = 0.1"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=positive_int, default=20)
    parser.add_argument("--scenario", choices=TEST_TURN_SCENARIOS, default="Offline")
    parser.add_argument("--time", type=positive, default=8.0, help="seconds of a run")
    parser.add_argument("--tests", type=positive_int, default=8, help="tests of a run in turns")
    parser.add_argument("--qps", type=positive, default=60.0, help="Server's rate")
    parser.add_argument("--sample", default="build/sample")
    parser.add_argument("--output", type=Path, default=Path("build/turns_spread"))
    options = parser.parse_args()
    folder = options.output / f"{options.scenario}-{options.time:g}-{options.tests}"
    folder.mkdir(parents=True, exist_ok=True)
    ways = {"one after the other": "", "in turns": f"tests_per_run = {options.tests}"}
    for name, turns in ways.items():
        text = MATRIX.format(
            turns=turns,
            sample=options.sample,
            time=options.time,
            scenario=options.scenario,
            rate=RATE.format(qps=options.qps) if options.scenario == "Server" else "",
        )
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    for number in range(1, options.rounds + 1):
        for name in ways:
            arguments = [str(folder / f"{name}.toml"), "--rounds", str(number)]
            arguments += ["--output", str(folder / name)]
            compare(arguments, PROGRAM, Console(quiet=True))
        print(f"{number}: " + "; ".join(f"{name} {spread(folder, name):.2%}" for name in ways))


def spread(folder: Path, name: str) -> float:
    """The standard deviation of the ratios' logarithm; NaN of a single round."""
    comparison: Comparison = read_comparison(folder / name / "comparison.json")
    ratios = comparison.rows[1].ratios
    return float(np.std(np.log(ratios), ddof=1)) if len(ratios) > 1 else float("nan")


if __name__ == "__main__":
    main()
