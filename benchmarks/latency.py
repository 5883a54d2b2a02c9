"""SingleStream p50 through the harness against a bare InferRequest.infer() loop.

Each round runs both in processes of their own, on the same model, precision and input.

    python3 -m benchmarks.latency --model FILE [--profile pytorch-openvino] [--rounds 12]
"""

import argparse
import statistics
import subprocess
import sys

from benchmarks.harness_runs import ROOT, run_main
from benchmarks.interleaving import interleave, ratio
from mlperf_benchmark.core.bound_process import bound
from mlperf_benchmark.core.option_values import positive, positive_int

# The bare loop keeps the harness's conditions: uint8 NHWC samples, normalisation in the graph, a
# set of samples in turn, warm-up, latency hint. It leaves out LoadGen and the harness.
BARE_LOOP = """
import statistics, sys, time
from pathlib import Path
import numpy as np, openvino as ov
from backend import BackendConfig
from dataset import DATASETS
from mlperf_benchmark.openvino_model.files import model_file
from mlperf_benchmark.openvino_model.graph import fit
from profiles import profile
model, name, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
chosen = profile(name)
config = BackendConfig(model, DATASETS.load(chosen.dataset).image, precision=chosen.precision)
core = ov.Core()
fitted = fit(core.read_model(model_file(model, config.cache_dir)), config)
compiled = core.compile_model(fitted.model, "CPU", {
    "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": chosen.precision})
request = compiled.create_infer_request()
samples = np.random.default_rng(0).integers(0, 256, (1024, 224, 224, 3), dtype=np.uint8)
times = []
end = time.perf_counter() + seconds
for number in range(10**9):
    sample = samples[number % 1024 : number % 1024 + 1]
    start = time.perf_counter()
    request.set_input_tensor(ov.Tensor(sample, shared_memory=True))
    request.infer()
    times.append(time.perf_counter() - start)
    if time.perf_counter() > end:
        break
print(statistics.median(times[10:]) * 1000)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--profile", default="pytorch-openvino")
    parser.add_argument("--rounds", type=positive_int, default=12)
    parser.add_argument("--seconds", type=positive, default=4)
    options = parser.parse_args()

    def harness() -> float:
        result = run_main(
            *("--profile", options.profile, "--model", options.model, "--dataset", "synthetic"),
            *("--time", str(options.seconds)),
        )
        return float(result["latency_ms"]["p50"])

    def bare() -> float:
        command = [sys.executable, "-c", BARE_LOOP, options.model, options.profile]
        finished = subprocess.run(
            bound([*command, str(options.seconds)]),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return float(finished.stdout)

    values = interleave({"harness": harness, "bare": bare}, options.rounds)
    for name, figures in values.items():
        print(f"{name}: median p50 {statistics.median(figures):.3f} ms")
    print(f"harness / bare: {ratio(values['harness'], values['bare'])}")


if __name__ == "__main__":
    main()
