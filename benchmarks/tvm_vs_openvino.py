"""The tvm backend against the openvino backend, on the same ONNX models in the same process.

Latency is that of one image at a time, throughput that of Offline: a run of samples through
`submit`, OpenVINO with its throughput hint, TVM in batches. Rounds are interleaved; what is
printed is the median of their ratios, and the range of the middle half.

    python3 -m benchmarks.tvm_vs_openvino FILE.onnx … [--threads 2] [--rounds 24]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backend import Backend, BackendConfig, Goal
from backend_openvino import OpenVINOBackend
from backend_tvm import TVMBackend
from benchmarks.interleaving import interleave, ratio
from mlperf_benchmark.core.image_format import ImageFormat, Images
from mlperf_benchmark.core.onnx_reading import read_onnx
from mlperf_benchmark.core.option_values import positive, positive_int
from mlperf_benchmark.tvm_compiler.compiler import compile_model
from mlperf_benchmark.tvm_compiler.onnx_source import open_model
from mlperf_benchmark.tvm_compiler.options import CompileOptions

WARM_UP = 8


class Count:
    """Counts answers, as LoadGen would take them."""

    def __init__(self) -> None:
        self.answers = 0

    def completed(self, token: int, scores: Any) -> None:
        self.answers += len(scores)

    def failed(self, error: BaseException) -> None:
        raise error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--threads", type=positive_int, default=2)
    parser.add_argument("--rounds", type=positive_int, default=24)
    parser.add_argument("--seconds", type=positive, default=0.1, help="of one measurement")
    parser.add_argument("--batch", type=positive_int, default=8, help="of TVM, for throughput")
    parser.add_argument("--skip-throughput", action="store_true")
    parser.add_argument("--target", default="host", help="of TVM; OpenVINO takes what there is")
    parser.add_argument("--exact-convolutions", action="store_true", help="TVM's without Winograd")
    options = parser.parse_args()
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            measure(model, Path(folder), options)


def measure(model: Path, folder: Path, options: argparse.Namespace) -> None:
    source = read_onnx(model)
    _, height, width = open_model(source).shape
    image = ImageFormat(height, width, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
    images = np.random.default_rng(0).integers(0, 256, (64, height, width, 3), dtype=np.uint8)
    compiled = folder / "model.tvm"
    start = time.perf_counter()
    batches = (1,) if options.skip_throughput else (1, options.batch)
    compilation = CompileOptions(
        batches=batches,
        target=options.target,
        threads=options.threads,
        exact_convolutions=options.exact_convolutions,
    )
    description = compile_model(source, compiled, compilation)
    print(
        f"{model.name}: compiled for batches {batches} in {time.perf_counter() - start:.1f} s, "
        f"{compiled.stat().st_size / 1e6:.1f} MB; convolutions of "
        + "; ".join(library.computes_by for library in description.libraries)
    )

    def opened(kind: type[Backend], file: Path, goal: Goal, batch: int) -> Backend:
        backend = kind(config(file, image, goal, batch, options.threads))
        backend.load()
        return backend

    subjects = {
        "tvm": latency(opened(TVMBackend, compiled, "latency", 1), images, options.seconds),
        "openvino": latency(opened(OpenVINOBackend, model, "latency", 1), images, options.seconds),
    }
    report("latency", "ms", interleave(subjects, options.rounds), 1000)
    if options.skip_throughput:
        return
    tvm = opened(TVMBackend, compiled, "throughput", options.batch)
    openvino = opened(OpenVINOBackend, model, "throughput", 1)
    subjects = {
        "tvm": throughput(tvm, images, options.batch, options.seconds * 4),
        "openvino": throughput(openvino, images, 1, options.seconds * 4),
    }
    report("throughput", "samples/s", interleave(subjects, options.rounds), 1)


def config(model: Path, image: ImageFormat, goal: Goal, batch: int, threads: int) -> BackendConfig:
    return BackendConfig(
        model=model,
        image=image,
        goal=goal,
        max_batch_size=batch,
        threads=threads,
        precision="f32",
    )


def latency(backend: Backend, images: Images, seconds: float) -> Callable[[], float]:
    """Measures the median of one image at a time over `seconds`, after two that do not count."""

    def once(number: int) -> float:
        image = images[number % len(images) :][:1]
        start = time.perf_counter()
        backend.predict(image)
        return time.perf_counter() - start

    def run() -> float:
        once(0)
        once(1)
        end = time.perf_counter() + seconds
        times: list[float] = []
        while time.perf_counter() < end:
            times.append(once(len(times)))
        return statistics.median(times)

    for number in range(WARM_UP):
        once(number)
    return run


def throughput(backend: Backend, images: Images, batch: int, seconds: float) -> Callable[[], float]:
    """Measures samples per second over at least `seconds`."""

    def run() -> float:
        count = Count()
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            for first in range(0, len(images), batch):
                backend.submit(images[first : first + batch], first, count)
        backend.drain()
        return count.answers / (time.perf_counter() - start)

    run()
    return run


def report(what: str, unit: str, values: dict[str, list[float]], scale: float) -> None:
    for name, figures in values.items():
        print(f"  {what} {name}: median {statistics.median(figures) * scale:.2f} {unit}")
    print(f"  {what} tvm / openvino: {ratio(values['tvm'], values['openvino'])}", flush=True)


if __name__ == "__main__":
    main()
