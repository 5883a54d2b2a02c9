"""ONNX Runtime's sessions, and requests to them without copies."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.image_format import Images, Scores
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.models.files.ports import Port
from mlperf_benchmark.onnxruntime_model.executed import Executed, read_executed
from mlperf_benchmark.onnxruntime_model.graph import IMAGES

PROVIDER = "ExecutionProvider"
CPU = f"CPU{PROVIDER}"
FATAL = 4
PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
INTEGERS = {
    f"tensor({name})": np.dtype(name)
    for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
}
UNKNOWN = Executed(precision="unknown", clipped=False)


@dataclass(frozen=True)
class SessionOptions:
    """`threads` compute one inference at a time, the caller's among them.

    `provider` None stands for the CPU. With `rests` threads do not look for work after an
    inference, for which they else take the CPU for some 30 ms. Files of `trace` and something tell
    the time of each node.
    """

    threads: int
    provider: str | None
    rests: bool
    trace: Path | None = None


class Session:
    """A loaded model, which comes from the file `path`.

    `executed` is what ONNX Runtime made of the model, `providers` are those that run its layers.
    Raises ModelError, or UsageError for an unknown provider.
    """

    def __init__(self, model: onnx.ModelProto, path: Path, wanted: SessionOptions) -> None:
        available = ort.get_available_providers()
        named = wanted.provider or CPU
        # CUDA is short for CUDAExecutionProvider.
        full = named if named in available else named + PROVIDER
        provider = known_name("execution provider", full if full in available else named, available)
        options = ort.SessionOptions()
        options.intra_op_num_threads = wanted.threads
        # Errors come as exceptions, too.
        options.log_severity_level = FATAL
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if wanted.rests:
            # Between inferences, not in them, where waiting threads would cost latency.
            options.add_session_config_entry("session.force_spinning_stop", "1")
        if wanted.trace is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(wanted.trace)
        with scratch_folder("onnxruntime") as folder:
            optimized = folder / "optimized.onnx"
            if provider == CPU:
                # What others compile has no form as a file.
                options.optimized_model_filepath = str(optimized)
            start = time.perf_counter()
            try:
                self.inference = ort.InferenceSession(
                    model.SerializeToString(),
                    options,
                    # The CPU runs what another one does not.
                    providers=list(dict.fromkeys((provider, CPU))),
                )
            except Exception as error:
                reason = PREFIX.sub("", first_line(error))
                raise ModelError(f"ONNX Runtime cannot load {path}: {reason}") from error
            self.compile_seconds = time.perf_counter() - start
            self.executed = read_executed(optimized) if provider == CPU else UNKNOWN
        self.threads = int(self.inference.get_session_options().intra_op_num_threads)
        self.providers = _providers(self.inference)
        if provider not in self.providers:
            raise UsageError(f"{provider} runs no layer of {path}: leave --execution-provider out.")

    def outputs(self) -> list[Port]:
        """The model's outputs, as far as ONNX Runtime finds out their shapes."""
        return [
            Port((port.name,), _sizes(port.shape), port.type in INTEGERS)
            for port in self.inference.get_outputs()
        ]

    def request(self, output: Port, batch: int) -> Callable[[Images], Scores]:
        """What infers up to `batch` images, for one thread at a time. Raises ModelError."""
        kinds = {port.name: port.type for port in self.inference.get_outputs()}
        kind = kinds[output.names[0]]
        dtype = (DTYPES | INTEGERS).get(kind)
        if dtype is None:
            raise ModelError(f"Output {output} is of type {kind}, which cannot be scores.")
        further = [size or 1 for size in (output.shape or ())[1:]]
        request = Request(self.inference, output.names[0], np.empty((batch, *further), dtype))
        return (lambda images: request(images)[:, 0]) if output.takes_argmax else request


class Request:
    """Infers from the caller's memory into the array `scores`, shape (batch, …)."""

    def __init__(self, inference: ort.InferenceSession, output: str, scores: NDArray[Any]) -> None:
        self._inference = inference
        self._output = output
        self._scores = scores
        self._binding = inference.io_binding()

    def __call__(self, images: Images) -> Scores:
        scores = self._scores[: len(images)]
        self._binding.bind_cpu_input(IMAGES, images)
        self._binding.bind_output(
            self._output, "cpu", 0, scores.dtype, scores.shape, scores.ctypes.data
        )
        self._inference.run_with_iobinding(self._binding)
        return scores.reshape(len(scores), -1).astype(np.float32, copy=False)


def _sizes(shape: Sequence[int | str | None]) -> tuple[int | None, ...]:
    """Named dimensions are open ones."""
    return tuple(size if isinstance(size, int) else None for size in shape)


def _providers(inference: ort.InferenceSession) -> tuple[str, ...]:
    """Who runs layers; before ONNX Runtime 1.24 that is not told, but only who might."""
    if not hasattr(inference, "get_provider_graph_assignment_info"):
        return tuple(inference.get_providers())
    assigned = inference.get_provider_graph_assignment_info()
    return tuple(sorted({part.ep_name for part in assigned}))
