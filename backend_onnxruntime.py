"""ONNX Runtime."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime as ort

from backend import Backend, BackendConfig, BackendInfo, Listener
from mlperf_benchmark.core.cpus import cpu_flags, usable_cores
from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.image_format import Images, Scores, padded
from mlperf_benchmark.core.layer_profile import Profile
from mlperf_benchmark.core.onnx_reading import read_onnx
from mlperf_benchmark.core.precisions import with_storage
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.models.files.int8_weights import cpu_clips
from mlperf_benchmark.models.files.model_files import model_files
from mlperf_benchmark.models.files.ports import choose_output, class_count
from mlperf_benchmark.onnxruntime_model.graph import FittedOnnx, fit
from mlperf_benchmark.onnxruntime_model.profiling import Origins, read_profile
from mlperf_benchmark.onnxruntime_model.request_queue import Infer, RequestQueue
from mlperf_benchmark.onnxruntime_model.session import Session, SessionOptions
from mlperf_benchmark.onnxruntime_model.weights import refuse_non_finite, stored_precision

WARM_UP = 3
"""Inferences before those whose layers are timed."""


class OnnxRuntimeBackend(Backend):
    """Reads .onnx; `predict` infers in the caller's thread, `submit` in one for each stream.

    For latency all threads compute one inference. For throughput there is by default a stream for
    each thread: inferences that share nothing wait for nothing. Where there are more threads than
    streams, those left over help whichever stream has work for them. Models with a fixed batch
    get short batches padded and the answers trimmed.
    """

    accepts = frozenset(
        {"model", "threads", "streams", "inputs", "outputs", "data_format", "execution_provider"}
    )

    profiles = True

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        self._fitted: FittedOnnx
        self._options: SessionOptions
        self._infer: Infer
        self._queue: RequestQueue

    def load(self) -> BackendInfo:
        model = self.config.model
        if model is None:
            raise ModelError("The onnxruntime backend needs a model: --model FILE.")
        if model.suffix.lower() != ".onnx":
            raise ModelError(
                f"{model} is not an .onnx file, the only kind that ONNX Runtime reads."
            )
        # Names what is missing or cut off among the weights beside it.
        model_files(model)
        start = time.perf_counter()
        graph = read_onnx(model)
        read_seconds = time.perf_counter() - start
        refuse_non_finite(graph)
        stored = stored_precision(graph)
        self._fitted = fitted = fit(graph, self.config)
        threads, streams = self._parallel()
        # The pool's threads and those that call it.
        self._options = SessionOptions(
            threads=threads - streams + 1,
            provider=self.config.execution_provider,
            rests=self.config.takes_turns,
        )
        session = Session(graph, model, self._options)
        output = choose_output(session.outputs(), self.config.outputs)
        classes = class_count(output, fitted.batch, fitted.dynamic, self.config.any_classes)
        requests = [
            self._padding(session.request(output, fitted.batch)) for _ in range(1 + streams)
        ]
        self._infer = requests[0]
        self._queue = RequestQueue(requests[1:])
        return BackendInfo(
            name="onnxruntime",
            version=ort.__version__,
            input_name=fitted.input_name,
            output_name=output.names[0],
            data_format=fitted.data_format,
            classes=classes,
            max_batch_size=fitted.batch,
            batch_is_fixed=fitted.is_fixed,
            requests=self._queue.requests,
            threads=session.threads - 1 + streams,
            streams=streams,
            executed_precision=with_storage(session.executed.precision, stored),
            int8_can_overflow=session.executed.clipped and cpu_clips(cpu_flags()),
            execution_providers=session.providers,
            read_seconds=read_seconds,
            compile_seconds=session.compile_seconds,
        )

    def predict(self, images: Images) -> Scores:
        return self._infer(images)

    def submit(self, images: Images, token: Any, listener: Listener) -> None:
        self._queue.submit(images, token, listener)

    def drain(self) -> None:
        self._queue.drain()

    def close(self) -> None:
        self._queue.close()

    def profile(self, images: Images, inferences: int) -> Profile:
        model = self.config.model
        assert model is not None
        graph = read_onnx(model)
        origins = Origins(graph.graph)
        fitted = fit(graph, self.config)
        with scratch_folder("onnxruntime") as folder:
            session = Session(graph, model, replace(self._options, trace=folder / "trace"))
            output = choose_output(session.outputs(), self.config.outputs)
            infer = self._padding(session.request(output, fitted.batch))
            for _ in range(WARM_UP + inferences):
                infer(images)
            return read_profile(Path(session.inference.end_profiling()), WARM_UP, origins)

    def padding(self, count: int) -> int:
        return 0 if self._fitted.dynamic else max(0, self._fitted.batch - count)

    def _padding(self, request: Infer) -> Infer:
        """`request`, which may take full batches only, for shorter ones as well."""
        if self._fitted.dynamic:
            return request
        return lambda images: request(padded(images, self._fitted.batch))[: len(images)]

    def _parallel(self) -> tuple[int, int]:
        """Threads and streams: no more threads than CPUs, no more streams than threads."""
        asked = self.config.threads
        threads = min(asked, len(os.sched_getaffinity(0))) if asked else usable_cores()
        if self.config.goal == "latency":
            return threads, 1
        return threads, min(self.config.streams or threads, threads)
