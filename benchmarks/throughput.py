"""Offline samples/s through the harness against OpenVINO's benchmark_app -hint throughput.

Same model, same threads, processes of their own, interleaved. benchmark_app gets the model as it
is (float32 input); the harness adds the normalisation and LoadGen. Other runtimes are compared
with a bare loop (benchmarks/bare_loops.py), which normalises, too.

    python3 -m benchmarks.throughput --model FILE [--profile NAME] [--batch 1] [--rounds 8]
"""

import argparse
import re
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.harness_runs import bare_loop, run_main
from benchmarks.interleaving import interleave, ratio
from mlperf_benchmark.core.bound_process import bound
from mlperf_benchmark.core.option_values import positive_int
from profiles import profile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--profile", default="pytorch-openvino")
    parser.add_argument("--batch", type=positive_int, default=None)
    parser.add_argument("--rounds", type=positive_int, default=8)
    parser.add_argument("--seconds", type=positive_int, default=10)
    options = parser.parse_args()
    batch = ["--max-batchsize", str(options.batch)] if options.batch else []

    def harness() -> float:
        result = run_main(
            *("--profile", options.profile, "--model", options.model, "--dataset", "synthetic"),
            *("--scenario", "Offline", "--time", str(options.seconds), *batch),
        )
        return result.timing.samples_per_second

    def benchmark_app() -> float:
        command = [str(Path(sys.executable).with_name("benchmark_app")), "-m", options.model]
        command += ["-d", "CPU", "-hint", "throughput", "-t", str(options.seconds)]
        command += ["-shape", "[1,3,224,224]", "-infer_precision", "f32"]
        finished = subprocess.run(bound(command), capture_output=True, text=True, check=True)
        found = re.search(r"Throughput:\s*([\d.]+) FPS", finished.stdout)
        if found is None:
            raise RuntimeError(finished.stdout)
        return float(found[1])

    def loop() -> float:
        further = [options.batch] if options.batch else []
        return bare_loop("throughput", options.profile, options.model, options.seconds, *further)

    other = "benchmark_app" if profile(options.profile).backend == "openvino" else "bare loop"
    best = benchmark_app if other == "benchmark_app" else loop
    values = interleave({"harness": harness, other: best}, options.rounds)
    for name, figures in values.items():
        print(f"{name}: median {statistics.median(figures):.1f} samples/s")
    print(f"harness / {other}: {ratio(values['harness'], values[other])}")


if __name__ == "__main__":
    main()
