"""Turn the weights of a model into a model file: `python3 prepare.py --help`."""

from mlperf_benchmark.core.process import run_command

if __name__ == "__main__":
    run_command("mlperf_benchmark.models.prepare.command:main")
