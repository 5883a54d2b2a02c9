"""SingleStream p50 through the harness against a bare loop of the same runtime.

Each round runs both in processes of their own, on the same model, precision and input, on OpenVINO,
ONNX Runtime and PyTorch (benchmarks/bare_loops.py).

    python3 -m benchmarks.latency --model FILE [--profile pytorch-openvino] [--rounds 12]
"""

import argparse
import statistics

from benchmarks.harness_runs import bare_loop, run_main
from benchmarks.interleaving import interleave, ratio
from mlperf_benchmark.core.option_values import positive, positive_int


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
        return result.timing.latency_ms["p50"]

    def bare() -> float:
        return bare_loop("latency", options.profile, options.model, options.seconds)

    values = interleave({"harness": harness, "bare": bare}, options.rounds)
    for name, figures in values.items():
        print(f"{name}: median p50 {statistics.median(figures):.3f} ms")
    print(f"harness / bare: {ratio(values['harness'], values['bare'])}")


if __name__ == "__main__":
    main()
