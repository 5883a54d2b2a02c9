"""Compares variants side by side, checks and shows comparisons; see README.md."""

from mlperf_benchmark.core.process import run_command

if __name__ == "__main__":
    run_command(
        "mlperf_benchmark.compare.commands:main",
        interrupted="finished rounds are kept, and the same command goes on",
    )
