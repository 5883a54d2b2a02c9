"""Is one process as quick as the next? The p50 of single images in many processes of a model.

All processes are alive and measured in turns, so that a machine that drifts drifts for all of them;
what differs between the medians of their turns is their own, such as where their memory lies. The
medians of even and of odd turns tell both apart: where processes differ by themselves, the two are
correlated; where the machine makes the difference, they are not.

With --small-pages the system chooses where each 4 KiB of a process's weights and values lie;
otherwise they lie together, on huge pages.

    python3 -m benchmarks.process_spread FILE.tvm … [--processes 30] [--threads 2] [--small-pages]
"""

import argparse
import ctypes
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from scipy import stats

from backend import BackendConfig
from backend_tvm import TVMBackend
from benchmarks.harness_runs import ROOT
from mlperf_benchmark.core.bound_process import bound
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.core.option_values import positive, positive_int
from mlperf_benchmark.loadgen.turns import settle
from mlperf_benchmark.tvm_compiler.artifact import read_description

WARM_UP = 8
RELOADS = 2
PR_SET_THP_DISABLE = 41


class Process:
    """One process with the model loaded, which waits for its turns."""

    def __init__(self, model: Path, threads: int, small_pages: bool, stack: ExitStack) -> None:
        command = [sys.executable, "-m", "benchmarks.process_spread", str(model), "--child"]
        command += ["--small-pages"] if small_pages else []
        self._process = stack.enter_context(
            subprocess.Popen(
                bound([*command, "--threads", str(threads)]),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        self.turns: list[float] = []
        self._answer()

    def measure(self, seconds: float) -> None:
        assert self._process.stdin is not None
        print(seconds, file=self._process.stdin, flush=True)
        self.turns.append(float(self._answer()))

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("A process ended before its turn.")
        return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--processes", type=positive_int, default=30)
    parser.add_argument("--rounds", type=positive_int, default=20)
    parser.add_argument("--seconds", type=positive, default=0.1, help="of one turn")
    parser.add_argument("--threads", type=positive_int, default=2)
    parser.add_argument("--small-pages", action="store_true", help="no huge pages")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        if options.small_pages:
            # prctl(2); it holds for this process.
            ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
        take_turns(options.models[0], options.threads)
        return
    for model in options.models:
        with ExitStack() as stack:
            processes = [
                Process(model.absolute(), options.threads, options.small_pages, stack)
                for _ in range(options.processes)
            ]
            for number in range(options.rounds):
                for process in processes if number % 2 == 0 else reversed(processes):
                    process.measure(options.seconds)
        report(model, [process.turns for process in processes])


def report(model: Path, turns: list[list[float]]) -> None:
    ordered = sorted(1000 * statistics.median(seconds) for seconds in turns)
    middle, span = statistics.median(ordered), ordered[-1] - ordered[0]
    even, odd = ([statistics.median(seconds[half::2]) for seconds in turns] for half in (0, 1))
    print(
        f"{model.name}: p50 of {len(ordered)} processes: median {middle:.3f} ms, "
        f"{ordered[0]:.3f} to {ordered[-1]:.3f}, a range of {span / middle:.1%}; "
        f"rank correlation of even and odd turns {stats.spearmanr(even, odd).statistic:.2f}",
        flush=True,
    )


def take_turns(model: Path, threads: int) -> None:
    """Print a line when the model is loaded, then for each number of seconds read their p50."""
    height, width, _ = read_description(model).input_shape
    image = ImageFormat(height, width, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
    config = BackendConfig(model, image, max_batch_size=1, threads=threads, takes_turns=True)
    backend = TVMBackend(config)
    backend.load()
    pixels = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    for _ in range(WARM_UP):
        backend.predict(pixels)
    settle()
    print("ready", flush=True)
    for line in sys.stdin:
        # What ran before has filled the caches with its own.
        for _ in range(RELOADS):
            backend.predict(pixels)
        times = []
        end = time.perf_counter() + float(line)
        while time.perf_counter() < end:
            start = time.perf_counter()
            backend.predict(pixels)
            times.append(time.perf_counter() - start)
        # Threads that look for work after the last inference would run in the next one's turn.
        settle()
        print(statistics.median(times), flush=True)


if __name__ == "__main__":
    main()
