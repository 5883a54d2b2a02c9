"""Make a prepared model servable by an inference engine: `python3 serve.py --help`."""

from mlperf_benchmark.core.process import run_command

if __name__ == "__main__":
    run_command("mlperf_benchmark.network.server.command:main", interrupted="nothing was written")
