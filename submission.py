"""Makes and checks MLPerf Inference submission trees; see README.md."""

from mlperf_benchmark.core.process import run_command

if __name__ == "__main__":
    run_command(
        "mlperf_benchmark.submit.command:main",
        interrupted="finished runs are kept, and the same command goes on",
    )
