"""Does compare.py find a small difference in two minutes, and none where there is none?

Each comparison has three variants of the sample model: the baseline, the same again, and one
that a backend of this benchmark slows by --slowdown. Comparisons are kept in --output, so that
they can be run a few at a time; the counts are of all that are there with that slow-down. The
variants take turns of a few queries: the speed of a shared machine changes within a second.

    python3 sample.py
    python3 -m benchmarks.comparison_power [--slowdown 0.02] [--first 1] [--comparisons 20]
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.slowed_backend import SLOWDOWN
from benchmarks.slowed_run import ROOT, register
from mlperf_benchmark.compare.commands import compare
from mlperf_benchmark.compare.options import share
from mlperf_benchmark.core.option_values import positive_int

MATRIX = """\
title = "Power"
precision_goal = {precision_goal}
max_time = {max_time}
seed = {seed}
queries_per_turn = {queries_per_turn}
accuracy = false
[run]
profile = "efficientnet-lite0-openvino"
model = "{sample}/efficientnet-lite0_fp32.xml"
dataset_path = "{sample}/imagenet"
cache_dir = "build/cache"
queries = {queries}
threads = 2
[[variant]]
name = "baseline"
[[variant]]
name = "same"
[[variant]]
name = "slowed"
backend = "slowed"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slowdown", type=share, default=0.05, help="a share, default: 5%%")
    parser.add_argument("--first", type=positive_int, default=1)
    parser.add_argument("--comparisons", type=positive_int, default=20)
    parser.add_argument("--max-time", type=positive_int, default=110)
    parser.add_argument("--queries", type=positive_int, default=192)
    parser.add_argument("--queries-per-turn", type=positive_int, default=4)
    parser.add_argument("--sample", default="build/sample")
    parser.add_argument("--output", type=Path, default=Path("build/comparison_power"))
    options = parser.parse_args()
    register()
    os.environ[SLOWDOWN] = str(options.slowdown)
    # The program is in a folder below the modules that it imports.
    os.environ["PYTHONPATH"] = str(ROOT)
    output = options.output / f"{options.slowdown:g}"
    output.mkdir(parents=True, exist_ok=True)
    for number in range(options.first, options.first + options.comparisons):
        folder = output / f"{number:03d}"
        matrix = folder.with_suffix(".toml")
        matrix.write_text(
            MATRIX.format(
                # An interval as wide as the slow-down excludes 1 in 19 of 20 comparisons.
                precision_goal=min(0.03, options.slowdown),
                max_time=options.max_time,
                seed=number,
                sample=options.sample,
                queries=options.queries,
                queries_per_turn=options.queries_per_turn,
            ),
            encoding="utf-8",
        )
        program = ROOT / "benchmarks" / "slowed_run.py"
        seconds = folder.with_suffix(".seconds")
        if not seconds.exists():
            start = time.monotonic()
            arguments = [str(matrix), "--output", str(folder), "--overwrite"]
            compare(arguments, program, Console(quiet=True))
            seconds.write_text(f"{time.monotonic() - start}\n", encoding="utf-8")
        report(number, folder / "comparison.json")
    finished = sorted(output.glob("*.seconds"))
    total(options.slowdown, [path.with_suffix("") / "comparison.json" for path in finished])


def report(number: int, path: Path) -> None:
    """One line a comparison."""
    rows, seconds = read(path)
    words = [f"{name} {text(row)}" for name, row in rows.items() if name != "baseline"]
    print(f"{number}: {'; '.join(words)}; {seconds:.0f} s", flush=True)


def total(slowdown: float, paths: list[Path]) -> None:
    """How often each came out as it is."""
    results = [read(path) for path in paths]
    judged = [rows for rows, _ in results if rows["same"]["speedup"]["low"] is not None]
    silent = sum(crosses_one(rows["same"]["speedup"]) for rows in judged)
    found = sum(rows["slowed"]["speedup"]["high"] < 1 for rows in judged)
    print(f"same: no difference shown in {silent} of {len(results)}")
    print(f"slowed by {slowdown:.2%}: found in {found} of {len(results)}")
    print(f"longest comparison: {max(seconds for _, seconds in results):.0f} s")


def read(path: Path) -> tuple[dict[str, Any], float]:
    """The rows by name, and the seconds that the comparison took."""
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in content["rows"]}
    return rows, float(path.parent.with_suffix(".seconds").read_text())


def crosses_one(speedup: dict[str, float]) -> bool:
    return speedup["low"] <= 1 <= speedup["high"]


def text(row: dict[str, Any]) -> str:
    speedup = row["speedup"]
    if speedup["low"] is None:
        return f"{speedup['value']:.3f} (too few rounds)"
    return f"{speedup['value']:.3f} [{speedup['low']:.3f}, {speedup['high']:.3f}]"


if __name__ == "__main__":
    main()
