"""Times the way to a model's first answer, and measures the memory that the model takes."""

import time

from backend import Backend, BackendInfo
from mlperf_benchmark.core.image_format import Images
from mlperf_benchmark.core.memory import forget_peak, peak_bytes, resident_bytes
from mlperf_benchmark.loadgen.probe import warm_up
from mlperf_benchmark.run.result import ColdStart, Memory


class ColdStartWatch:
    """A model in this process. Life cycle: `load`, `first_answer`, `warmed_up`, `memory`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._info: BackendInfo
        self._load_seconds: float
        self._before = resident_bytes()
        self._unanswered: int | None = None
        self._added: int | None = None
        self._load_peak: int | None = None

    def load(self) -> BackendInfo:
        """Load the model."""
        forget_peak()
        start = time.perf_counter()
        self._info = self._backend.load()
        self._load_seconds = time.perf_counter() - start
        self._added = _difference(resident_bytes(), self._before)
        self._load_peak = peak_bytes()
        return self._info

    def first_answer(self, images: Images) -> ColdStart:
        """Infer the first batch. Raises InferenceError for a model that cannot."""
        # The memory for preparing images does not belong to the run.
        forget_peak()
        self._unanswered = resident_bytes()
        start = time.perf_counter()
        warm_up(self._backend, images, requests=0, runs=1)
        seconds = time.perf_counter() - start
        info = self._info
        known = [part for part in (info.read_seconds, info.compile_seconds) if part is not None]
        # A backend that reports the parts leaves out what it only does for the result.
        load = sum(known) if known else self._load_seconds
        return ColdStart(
            read_seconds=info.read_seconds,
            compile_seconds=info.compile_seconds,
            first_inference_seconds=seconds,
            first_answer_seconds=load + seconds,
            from_model_cache=info.from_model_cache,
        )

    def warmed_up(self) -> None:
        """Every request has inferred, so the model has all the memory that it needs."""
        more = _difference(resident_bytes(), self._unanswered)
        self._added = None if self._added is None or more is None else self._added + more

    def memory(self) -> Memory | None:
        """At the end of the run; None where the kernel has no such counters."""
        end = peak_bytes()
        if self._before is None or self._added is None or self._load_peak is None or end is None:
            return None
        return Memory(
            before_bytes=self._before,
            # Memory that was freed before may be used again.
            model_bytes=max(0, self._added),
            load_peak_bytes=self._load_peak,
            peak_bytes=max(self._load_peak, end),
        )


def _difference(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else now - before
