"""Prune a model and train it to recover: `python3 finetune.py --help`."""

from mlperf_benchmark.core.process import run_command

if __name__ == "__main__":
    run_command(
        "mlperf_benchmark.models.prepare.finetune_command:main",
        interrupted="the last whole epoch is kept, see --resume",
    )
