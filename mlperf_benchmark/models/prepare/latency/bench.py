"""Times models side by side in this process."""

import dataclasses
import io
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx

from backend import BACKENDS, Backend, BackendConfig, BackendInfo
from mlperf_benchmark.core.image_format import ImageFormat, Images
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.loadgen.probe import predict_seconds
from mlperf_benchmark.models.files.formats import FORMATS, ModelFormat
from mlperf_benchmark.models.prepare.recipe import Recipe
from mlperf_benchmark.tvm_compiler.options import CompileOptions

WARM_UP = 2
SAMPLES = 11
"""Timed inferences of each layer's probe."""

ROUNDS = 25
TURN_SECONDS = 0.06
RELOADED = 2
"""Inferences at the start of a turn that load the model's weights into the caches again."""

QUARTILE = 0.25


@dataclass(frozen=True)
class Bench:
    """Where models are run: a backend, the model format that it takes, and its threads.

    `options` are the compilation options, which also affect the times.
    """

    backend: str
    file_format: ModelFormat
    threads: int | None
    cache_dir: Path
    options: str = ""

    @cached_property
    def _kind(self) -> type[Backend]:
        kind: type[Backend] = BACKENDS.load(self.backend)
        return kind

    @contextmanager
    def loaded(self, model: onnx.ModelProto, image: ImageFormat) -> Iterator["Runner"]:
        """Load the model for the duration of a context.

        Raises ModelError for a model that the backend cannot run.
        """
        graph = self.file_format.convert(model)
        with scratch_folder("latency") as folder:
            # The progress messages of compilers are of no interest here.
            with redirect_stderr(io.StringIO()):
                file = self.file_format.save(graph, folder, "probe", "random")
            config = BackendConfig(
                model=file,
                image=image,
                threads=self.threads,
                # Profiles do the same: by default OpenVINO computes in bf16 if the CPU can.
                precision="f32" if "precision" in self._kind.accepts else "default",
                cache_dir=self.cache_dir,
                any_classes=True,
            )
            backend = self._kind(config)
            try:
                info = backend.load()
                yield Runner(backend, info, image.noise(1))
            finally:
                backend.close()


def bench_of(recipe: Recipe) -> Bench:
    """Return the bench of the recipe's backend.

    It takes models compiled for single images, or ONNX, which all other backends read.
    """
    name = recipe.file_format if recipe.compilation else "onnx"
    options: tuple[CompileOptions, ...] = ()
    if recipe.compilation:
        options = (dataclasses.replace(recipe.compilation, batches=(1,), tune=0.0),)
    return Bench(
        backend=recipe.backend,
        file_format=FORMATS.load(name)(*options),
        threads=recipe.threads,
        cache_dir=recipe.cache_dir,
        options="".join(map(str, options)),
    )


@dataclass(frozen=True, eq=False)
class Runner:
    """A loaded model with an image to run it on."""

    backend: Backend
    info: BackendInfo
    image: Images

    def seconds(self) -> float:
        """Run one inference and return its time in seconds."""
        return predict_seconds(self.backend, self.image)


@dataclass(frozen=True)
class Comparison:
    """The median latencies of two models in ms, and the ratio `own` / `base` with its 95 %
    interval.
    """

    own_ms: float
    base_ms: float
    ratio: float
    low: float
    high: float


def plain_image(height: int, width: int) -> ImageFormat:
    """Return an image format without normalisation."""
    return ImageFormat(height, width, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def times_beside(
    bench: Bench, whole: Runner, probes: Mapping[str, onnx.ModelProto]
) -> dict[str, float]:
    """Return the time of an inference of each probe, relative to one of the whole model.

    Each inference of a probe follows one of the whole model. This leaves the caches in the state
    that the probe's layer finds inside the model, and it shows the machine's current speed. The
    lower quartile of the times counts, as other programs can only lengthen them.
    """
    with ExitStack() as stack:
        runners = {
            name: stack.enter_context(bench.loaded(model, plain_image(*_size(model))))
            for name, model in probes.items()
        }
        times: dict[str, list[float]] = {name: [] for name in runners}
        whole_times = []
        for _ in range(WARM_UP + SAMPLES):
            for name, runner in runners.items():
                whole_times.append(whole.seconds())
                times[name].append(runner.seconds())
    base = float(np.quantile(whole_times[WARM_UP * len(times) :], QUARTILE))
    return {
        name: float(np.quantile(values[WARM_UP:], QUARTILE)) / base
        for name, values in times.items()
    }


def compare(own: Runner, base: Runner) -> Comparison:
    """Time two models in alternating turns of a fraction of a second each."""
    turn = {
        runner: RELOADED + max(1, math.ceil(TURN_SECONDS / _warm(runner))) for runner in (own, base)
    }
    medians: dict[Runner, list[float]] = {own: [], base: []}
    for number in range(ROUNDS):
        for runner in (own, base) if number % 2 else (base, own):
            times = [runner.seconds() for _ in range(turn[runner])]
            medians[runner].append(statistics.median(times[RELOADED:]))
    ratios = [one / other for one, other in zip(medians[own], medians[base], strict=True)]
    low, high = median_interval(ratios)
    return Comparison(
        own_ms=1e3 * statistics.median(medians[own]),
        base_ms=1e3 * statistics.median(medians[base]),
        ratio=statistics.median(ratios),
        low=low,
        high=high,
    )


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return an interval that contains the true median with at least this confidence.

    It is a pair of order statistics: at both ends as many values are left out as may fall on one
    side of the median by chance.
    """
    ordered, count = sorted(values), len(values)
    left_out, tail = 0, 0.5**count
    while tail <= (1 - confidence) / 2:
        left_out += 1
        tail += math.comb(count, left_out) * 0.5**count
    return ordered[max(left_out - 1, 0)], ordered[count - max(left_out, 1)]


def _warm(runner: Runner) -> float:
    return min(runner.seconds() for _ in range(WARM_UP))


def _size(model: onnx.ModelProto) -> tuple[int, int]:
    *_, height, width = model.graph.input[0].type.tensor_type.shape.dim
    return height.dim_value, width.dim_value
