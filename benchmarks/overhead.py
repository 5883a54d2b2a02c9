"""The null profile against a bare Python null SUT: what the harness itself costs.

The bare one answers a query with one list of responses over a fixed buffer, the least that can be
written with LoadGen's ConstructSUT (as LoadGen's own Python performance test does).

    python3 -m benchmarks.overhead [--rounds 8]
"""

import argparse
import json
import statistics
import subprocess
import sys

from benchmarks.harness_runs import run_main
from benchmarks.interleaving import interleave, ratio
from mlperf_benchmark.core.bound_process import bound
from mlperf_benchmark.core.option_values import positive_int

BARE_SUT = """
import array, json, sys, tempfile
import mlperf_loadgen as lg
scenario, queries = sys.argv[1], int(sys.argv[2])
settings = lg.TestSettings()
settings.FromConfig("", "resnet50", scenario, 0)
settings.scenario = getattr(lg.TestScenario, scenario)
settings.mode = lg.TestMode.PerformanceOnly
settings.min_duration_ms = settings.max_duration_ms = 0
settings.min_query_count = queries
buffer = array.array("f", [0])
address = buffer.buffer_info()[0]
def issue(samples):
    lg.QuerySamplesComplete([lg.QuerySampleResponse(s.id, address, 4) for s in samples])
sut = lg.ConstructSUT(issue, lambda: None)
qsl = lg.ConstructQSL(1024, 1024, lambda samples: None, lambda samples: None)
with tempfile.TemporaryDirectory() as folder:
    log = lg.LogSettings()
    log.log_output.outdir = folder
    log.enable_trace = False
    lg.StartTestWithLogSettings(sut, qsl, settings, log, folder + "/none")
    values = {}
    for line in open(folder + "/mlperf_log_detail.txt"):
        entry = json.loads(line.removeprefix(":::MLLOG "))
        values[entry["key"]] = entry["value"]
print(json.dumps({"mean_ms": values["result_mean_latency_ns"] / 1e6,
                  "rate": values.get("result_samples_per_second", 0)}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=positive_int, default=8)
    options = parser.parse_args()

    def harness(scenario: str, queries: int, field: str) -> float:
        chosen = ("--profile", "null", "--scenario", scenario, "--queries", str(queries))
        timing = run_main(*chosen).timing
        return timing.latency_ms["mean"] if field == "mean_ms" else timing.samples_per_second

    def bare(scenario: str, queries: int, field: str) -> float:
        command = [sys.executable, "-c", BARE_SUT, scenario, str(queries)]
        finished = subprocess.run(bound(command), capture_output=True, text=True, check=True)
        return float(json.loads(finished.stdout)[field])

    single = ("SingleStream", 100_000, "mean_ms")
    offline = ("Offline", 2_000_000, "rate")
    latency = interleave(
        {"harness": lambda: harness(*single), "bare": lambda: bare(*single)}, options.rounds
    )
    medians = {name: statistics.median(values) * 1000 for name, values in latency.items()}
    print(f"SingleStream mean: harness {medians['harness']:.2f} us, bare {medians['bare']:.2f} us")
    rate = interleave(
        {"harness": lambda: harness(*offline), "bare": lambda: bare(*offline)}, options.rounds
    )
    print(f"Offline samples/s, harness / bare: {ratio(rate['harness'], rate['bare'])}")


if __name__ == "__main__":
    main()
