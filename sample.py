"""Prepare the sample, a real model and 20 labelled images: `python3 sample.py --help`."""

from mlperf_benchmark.core.process import run_command

if __name__ == "__main__":
    run_command("mlperf_benchmark.models.prepare.sample_command:main")
