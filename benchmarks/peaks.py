"""The peaks that explain.py measures, beside those of C loops with the same instructions.

`python -m benchmarks.peaks` needs g++ and a processor with AVX-512 VNNI.
"""

import argparse
import ctypes
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.cpus import usable_cores
from mlperf_benchmark.tvm_compiler.peaks import REPEATS, STREAMS, PeakMeter, aligned_ones

STEPS = 10_000_000
"""Starting a thread shall not show."""
ROUNDS = 7
SUMS = 12
PASSES = 20
OPERATIONS = {"f32": 2 * 16, "int8": 2 * 64}
"""Of an instruction."""

SOURCE = """
#include <immintrin.h>
extern "C" void f32(long steps, const float *source, float *sink) {
  __m512 x = _mm512_set1_ps(source[0]), w = _mm512_loadu_ps(source);
  __m512 a[%(sums)d];
  for (int i = 0; i < %(sums)d; i++) a[i] = _mm512_set1_ps(i);
  for (long s = 0; s < steps; s++) {
#pragma GCC unroll %(sums)d
    for (int i = 0; i < %(sums)d; i++) a[i] = _mm512_fmadd_ps(a[i], x, w);
  }
  for (int i = 1; i < %(sums)d; i++) a[0] = _mm512_add_ps(a[0], a[i]);
  _mm512_storeu_ps(sink, a[0]);
}
extern "C" void int8(long steps, const float *source, float *sink) {
  __m512i x = _mm512_set1_epi8(1), w = _mm512_loadu_si512(source);
  __m512i a[%(sums)d];
  for (int i = 0; i < %(sums)d; i++) a[i] = _mm512_set1_epi32(i);
  for (long s = 0; s < steps; s++) {
#pragma GCC unroll %(sums)d
    for (int i = 0; i < %(sums)d; i++) a[i] = _mm512_dpbusd_epi32(a[i], x, w);
  }
  for (int i = 1; i < %(sums)d; i++) a[0] = _mm512_add_epi32(a[0], a[i]);
  _mm512_storeu_si512(sink, a[0]);
}
extern "C" void stream(long count, const float *source, float *sink) {
  __m512 a[8];
  for (int i = 0; i < 8; i++) a[i] = _mm512_setzero_ps();
  for (int p = 0; p < %(passes)d; p++) for (long s = 0; s + 128 <= count; s += 128) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) a[i] = _mm512_add_ps(a[i], _mm512_loadu_ps(source + s + 16 * i));
  }
  for (int i = 1; i < 8; i++) a[0] = _mm512_add_ps(a[0], a[i]);
  _mm512_storeu_ps(sink, a[0]);
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=usable_cores())
    threads = parser.parse_args().threads
    meter = PeakMeter(threads)
    with tempfile.TemporaryDirectory() as folder:
        library = _compiled(Path(folder))
        largest = max(STREAMS)
        memory = aligned_ones(largest // 4)
        best: dict[str, float] = {}
        for _ in range(ROUNDS):
            meter.measure()
            for name, operations in OPERATIONS.items():
                loop = getattr(library, name)
                seconds = min(_seconds(loop, STEPS, memory, threads) for _ in range(REPEATS))
                reached = threads * STEPS * SUMS * operations / seconds
                best[name] = max(best.get(name, 0.0), reached)
            part = memory.size // threads
            seconds = min(_seconds(library.stream, part, memory, threads) for _ in range(REPEATS))
            best["stream"] = max(best.get("stream", 0.0), PASSES * memory.nbytes / seconds)
    for name in OPERATIONS:
        _print(name, meter.operations[name], best[name], "GOP/s")
    _print(f"reading {largest / 1e6:.0f} MB", meter.bytes[largest], best["stream"], "GB/s")


def _compiled(folder: Path) -> ctypes.CDLL:
    source, library = folder / "peaks.cpp", folder / "peaks.so"
    source.write_text(SOURCE % {"sums": SUMS, "passes": PASSES})
    command = ["g++", "-O3", "-march=native", "-shared", "-fPIC", str(source), "-o", str(library)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library))


def _seconds(
    function: Callable[..., None], count: int, memory: NDArray[np.float32], threads: int
) -> float:
    """Of all threads side by side, each with its part of the memory; ctypes lets them."""
    part = memory.size // threads
    sinks = np.zeros((threads, 16), np.float32)

    def run(place: int) -> None:
        pointers = (memory[place * part :].ctypes.data, sinks[place].ctypes.data)
        function(ctypes.c_long(count), *map(ctypes.c_void_p, pointers))

    workers = [threading.Thread(target=run, args=(place,)) for place in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - start


def _print(name: str, ours: float, theirs: float, unit: str) -> None:
    print(f"{name}: {ours / 1e9:.1f} {unit}, C {theirs / 1e9:.1f}, ratio {ours / theirs:.3f}")


if __name__ == "__main__":
    main()
