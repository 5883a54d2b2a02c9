"""OpenVINO on the CPU."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openvino as ov

from backend import Backend, BackendConfig, BackendInfo, Listener, Remark
from mlperf_benchmark.core.cpus import cpu_flags
from mlperf_benchmark.core.disk import way_out
from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.image_format import Images, Scores, padded
from mlperf_benchmark.core.layer_profile import Profile
from mlperf_benchmark.core.precisions import with_storage
from mlperf_benchmark.openvino_model.graph import FittedModel, fit
from mlperf_benchmark.openvino_model.overflow import can_overflow
from mlperf_benchmark.openvino_model.precision import executed_precision, stored_precision
from mlperf_benchmark.openvino_model.profiling import profile
from mlperf_benchmark.openvino_model.reading import read_model
from mlperf_benchmark.openvino_model.remarks import model_remarks

DEVICE = "CPU"
# As many requests as streams leave a stream idle while its answer goes to LoadGen.
REQUESTS_PER_STREAM = 2


class OpenVINOBackend(Backend):
    """Reads .xml, .onnx, and .zip with an xml/bin pair; `predict` infers synchronously.

    `submit` goes through an AsyncInferQueue. Models with a fixed batch get short batches padded
    and the answers trimmed.
    """

    accepts = frozenset(
        {
            *("model", "threads", "streams", "precision", "inputs", "outputs", "data_format"),
            "model_cache",
        }
    )

    profiles = True

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        self._fitted: FittedModel
        self._remarks: Sequence[Remark] = ()
        self._request: Any
        self._queue: Any

    def load(self) -> BackendInfo:
        if self.config.model is None:
            raise ModelError("The openvino backend needs a model: --model FILE.")
        if self.config.model_cache is not None:
            _make_cache(self.config.model_cache)
        start = time.perf_counter()
        model = read_model(self.config.model, self.config.cache_dir)
        read_seconds = time.perf_counter() - start
        self._remarks = model_remarks(model, self.config.image)
        stored = stored_precision(model)
        self._fitted = fit(model, self.config)
        overflows = can_overflow(self._fitted.model, cpu_flags())
        start = time.perf_counter()
        try:
            compiled = ov.Core().compile_model(self._fitted.model, DEVICE, self._properties())
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot compile {self.config.model}: {error}") from error
        streams = int(compiled.get_property("NUM_STREAMS"))
        requests = REQUESTS_PER_STREAM * streams if self.config.goal == "throughput" else 1
        self._request = compiled.create_infer_request()
        self._queue = ov.AsyncInferQueue(compiled, requests)
        compile_seconds = time.perf_counter() - start
        self._queue.set_callback(self._finished)
        executed = executed_precision(compiled)
        return BackendInfo(
            name="openvino",
            version=ov.get_version(),
            input_name=self._fitted.input_name,
            output_name=self._fitted.output_name,
            data_format=self._fitted.data_format,
            classes=self._fitted.classes,
            max_batch_size=self._fitted.batch,
            batch_is_fixed=self._fitted.is_fixed,
            requests=requests,
            threads=int(compiled.get_property("INFERENCE_NUM_THREADS")),
            streams=streams,
            executed_precision=with_storage(executed, stored),
            int8_can_overflow=overflows and "int8" in executed,
            read_seconds=read_seconds,
            compile_seconds=compile_seconds,
            from_model_cache=self._from_cache(compiled),
        )

    def remarks(self) -> Sequence[Remark]:
        return self._remarks

    def predict(self, images: Images) -> Scores:
        batch = self._full(images)
        self._request.set_input_tensor(ov.Tensor(batch, shared_memory=True))
        self._request.infer()
        return self._scores(self._request, len(images))

    def submit(self, images: Images, token: Any, listener: Listener) -> None:
        batch = self._full(images)
        tensor = ov.Tensor(batch, shared_memory=True)
        # The queue keeps this tuple, and with it the images, until the request is done.
        self._queue.start_async({0: tensor}, (token, listener, len(images), batch))

    def drain(self) -> None:
        self._queue.wait_all()

    def profile(self, images: Images, inferences: int) -> Profile:
        properties = self._properties()
        return profile(self._fitted, DEVICE, properties, self._full(images), inferences)

    def _finished(self, request: Any, job: tuple[Any, Listener, int, Images]) -> None:
        token, listener, count, _ = job
        listener.completed(token, self._scores(request, count))

    def _scores(self, request: Any, count: int) -> Scores:
        scores: Scores = request.get_output_tensor(self._fitted.output_index).data
        rows = scores.reshape(len(scores), -1)[:count]
        return rows[:, 0] if self._fitted.takes_argmax else rows

    def padding(self, count: int) -> int:
        return 0 if self._fitted.dynamic else max(0, self._fitted.batch - count)

    def _full(self, images: Images) -> Images:
        return padded(images, len(images) + self.padding(len(images)))

    def _from_cache(self, compiled: ov.CompiledModel) -> bool | None:
        if self.config.model_cache is None:
            return None
        return bool(compiled.get_property("LOADED_FROM_CACHE"))

    def _properties(self) -> dict[str, Any]:
        config = self.config
        properties: dict[str, Any] = {"PERFORMANCE_HINT": config.goal.upper()}
        if config.threads is not None:
            properties["INFERENCE_NUM_THREADS"] = config.threads
        if config.streams is not None:
            properties["NUM_STREAMS"] = config.streams
        if config.precision != "default":
            properties["INFERENCE_PRECISION_HINT"] = config.precision
        if config.model_cache is not None:
            properties["CACHE_DIR"] = str(config.model_cache)
        return properties


def _make_cache(folder: Path) -> None:
    """OpenVINO does without a cache where a file is in the way, and blames the model for others."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"The model cache {folder} cannot be used: {error.strerror};"
            f" {way_out(error, '--model-cache')}."
        ) from error
