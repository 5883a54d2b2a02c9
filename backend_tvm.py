"""Models compiled with Apache TVM, on the CPU."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import relax

from backend import Backend, BackendConfig, BackendInfo
from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.image_format import ImageFormat, Images, Scores, padded
from mlperf_benchmark.core.layer_profile import Profile
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.tvm_compiler.artifact import (
    CompiledModel,
    Library,
    check_size,
    extract_library,
    read_description,
)
from mlperf_benchmark.tvm_compiler.target import check_host_runs
from mlperf_benchmark.tvm_compiler.threads import rest_early, usable_threads, use_threads
from mlperf_benchmark.tvm_compiler.timing import profile
from mlperf_benchmark.tvm_compiler.versions import check_versions
from mlperf_benchmark.tvm_compiler.weights import read_arguments


class TVMBackend(Backend):
    """Runs what `tvm_compiler` wrote. The libraries in it are code: load only what you trust.

    A batch is cut into the batch sizes that were compiled, the largest first. TVM has one pool
    of threads for each thread that calls it, all on the same cores; calls therefore wait for
    each other, and one inference uses all threads.
    """

    accepts = frozenset({"model", "threads"})
    profiles = True

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        self._functions: dict[int, Any] = {}
        self._libraries: dict[int, tuple[Library, Any]] = {}
        self._arguments: dict[int, Any] = {}
        self._normalisation: tuple[Any, Any]
        self._classes = 0
        self._lock = threading.Lock()
        self._configured = threading.local()
        self._threads = usable_threads(config.threads)

    def load(self) -> BackendInfo:
        check_versions()
        path = self.config.model
        if path is None:
            raise ModelError("The tvm backend needs a compiled model: --model FILE.")
        if self.config.takes_turns:
            rest_early()
        start = time.perf_counter()
        model = read_description(path)
        _check(path, model, self.config.image)
        smallest = min(library.batch for library in model.libraries)
        largest = max(self.config.max_batch_size or 1, smallest)
        with scratch_folder("tvm") as folder:
            needed = _needed(model.libraries, largest)
            self._arguments = read_arguments(path, model.weights, needed, self._threads)
            for library in needed:
                code = _code(path, extract_library(path, library, folder))
                self._libraries[library.batch] = library, code
                self._functions[library.batch] = relax.VirtualMachine(code, tvm.cpu())["main"]
        read_seconds = time.perf_counter() - start
        image = self.config.image
        std, mean = np.array(image.std, np.float32), np.array(image.mean, np.float32)
        self._normalisation = (tvm.runtime.tensor(1 / std), tvm.runtime.tensor(-mean / std))
        self._classes = model.classes
        for batch in self._functions:
            self.predict(np.zeros((min(batch, largest), *model.input_shape), np.uint8))
        return BackendInfo(
            name="tvm",
            version=model.tvm_version,
            input_name=model.input_name,
            output_name=model.output_name,
            data_format="NHWC",
            classes=model.classes,
            max_batch_size=largest,
            batch_is_fixed=smallest > 1,
            requests=1,
            threads=self._threads,
            streams=1,
            executed_precision="f32" if model.precision == "float32" else model.precision,
            read_seconds=read_seconds,
            convolutions="; ".join(library.computes_by for library in needed),
        )

    def predict(self, images: Images) -> Scores:
        # Of their own, as another thread may be next.
        scores: Scores = np.empty((len(images), self._classes), np.float32)
        with self._lock:
            self._configure_threads()
            done = 0
            while done < len(images):
                batch = self._next_batch(len(images) - done)
                part = images[done : done + batch]
                result = self._functions[batch](
                    _tensor(part, batch), *self._normalisation, self._arguments[batch]
                )
                scores[done : done + len(part)] = result.numpy()[: len(part)]
                done += len(part)
        return scores

    def profile(self, images: Images, inferences: int) -> Profile:
        with self._lock:
            self._configure_threads()
            batch = self._next_batch(len(images))
            library, code = self._libraries[batch]
            arguments = (_tensor(images, batch), *self._normalisation, self._arguments[batch])
            # A machine of its own: what times it is never taken off again.
            machine = relax.VirtualMachine(code, tvm.cpu())
            return profile(machine, library, arguments, inferences)

    def padding(self, count: int) -> int:
        left = count
        while left > 0:
            left -= self._next_batch(left)
        return -left

    def close(self) -> None:
        self._functions.clear()
        self._libraries.clear()
        self._arguments.clear()

    def _next_batch(self, left: int) -> int:
        """The largest compiled batch that `left` images fill, or else the smallest of all."""
        filled = [batch for batch in self._functions if batch <= left]
        return max(filled) if filled else min(self._functions)

    def _configure_threads(self) -> None:
        """Every thread that calls TVM has a pool of its own, to be configured by itself."""
        if not getattr(self._configured, "done", False):
            use_threads(self._threads)
            self._configured.done = True


def _needed(libraries: tuple[Library, ...], largest: int) -> list[Library]:
    """Those that batches of up to `largest` images can fill, or else the smallest one."""
    ordered = sorted(libraries, key=lambda library: library.batch)
    return [library for library in ordered if library.batch <= largest] or ordered[:1]


def _code(path: Path, library: Path) -> Any:
    """The machine code of a library of the compiled model `path`. Raises ModelError."""
    try:
        return tvm.runtime.load_module(str(library))
    except (RuntimeError, OSError) as error:
        raise ModelError(
            f"{path} cannot be loaded: {first_line(error)}. If nothing may be executed in "
            f"{library.parent.parent} (noexec), let TMPDIR name another folder."
        ) from error


def _check(path: Path, model: CompiledModel, image: ImageFormat) -> None:
    if model.tvm_version != tvm.__version__:
        raise ModelError(
            f"{path} was compiled by TVM {model.tvm_version}, this is TVM {tvm.__version__}. "
            "Compile the model again."
        )
    check_host_runs(path, model.target, model.features)
    check_size(path, model, image)


def _tensor(images: Images, batch: int) -> Any:
    """The images as a TVM tensor: their own memory, unless there are fewer than `batch`."""
    images = padded(images, batch)
    if not images.flags.writeable:
        return tvm.runtime.tensor(images)
    return tvm_ffi.from_dlpack(images, require_alignment=1, require_contiguous=True)
