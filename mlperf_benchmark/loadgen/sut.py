"""The systems under test: they take LoadGen's queries to the backend and answer them.

A Python exception that leaves a LoadGen callback kills the process without a message, so every
callback hands its exception to the run's monitor, which ends the run. A query whose inference
failed is never answered.
"""

import threading
from array import array
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

import mlperf_loadgen as lg
import numpy as np
from numpy.typing import NDArray

from backend import Backend
from mlperf_benchmark.core.errors import InferenceError
from mlperf_benchmark.core.image_format import Images, Scores
from mlperf_benchmark.loadgen.labels import top_labels
from mlperf_benchmark.loadgen.monitor import RunMonitor
from mlperf_benchmark.loadgen.samples import SampleLibrary
from mlperf_benchmark.loadgen.score_recorder import ScoreRecorder

Token = tuple[Sequence[int], Images]
"""The response ids of a batch, and its images, which must outlive the inference."""


class SystemUnderTest:
    """Answers LoadGen with float32 labels, as MLPerf's accuracy script reads by default.

    `label_offset` is added to the index of the best score, or to a model's own index. `padded`
    counts the images that were added to fill up batches. An accuracy run sets a `recorder`, which
    is told of all scores.
    """

    def __init__(
        self,
        backend: Backend,
        samples: SampleLibrary,
        monitor: RunMonitor,
        batch_size: int,
        label_offset: int,
    ) -> None:
        self._backend = backend
        self._samples = samples
        self._monitor = monitor
        self._batch_size = batch_size
        self._offset = label_offset
        self.padded = 0
        self.recorder: ScoreRecorder | None = None

    def construct(self) -> int:
        """LoadGen's handle of the system."""
        return int(lg.ConstructFastSUT(self.issue, self.flush))

    def destruct(self, handle: int) -> None:
        lg.DestroyFastSUT(handle)

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """LoadGen's callback for new queries."""
        try:
            if self.recorder is not None:
                self.recorder.issued(ids, indices)
            self._infer(ids, indices)
        except BaseException as error:  # noqa: BLE001 - nothing may reach LoadGen's C++ frames
            self._monitor.fail(error)

    def flush(self) -> None:
        """LoadGen's callback after the last query: nothing is held back here."""

    def close(self) -> None:
        """Stop what the system started."""

    def completed(self, token: Token, scores: Scores) -> None:
        """The backend's callback for a finished batch, from a thread of its own."""
        try:
            self._answer(token[0], scores)
        except BaseException as error:  # noqa: BLE001 - nothing may reach the runtime's frames
            self._monitor.fail(error)

    def failed(self, error: BaseException) -> None:
        self._monitor.fail(error)

    def _infer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        raise NotImplementedError

    def _answer(self, ids: Sequence[int], scores: Scores) -> None:
        if len(scores) != len(ids):
            raise InferenceError(f"The model answered {len(scores)} of {len(ids)} images.")
        taken = scores.ndim == 1
        labels = array("f", scores + self._offset if taken else top_labels(scores, self._offset))
        if self.recorder is not None:
            self.recorder.answered(ids, scores)
        # LoadGen reads the labels in this call only; `labels` lives until it returns.
        address, size = labels.buffer_info()[0], labels.itemsize
        response = lg.QuerySampleResponse
        lg.QuerySamplesComplete(
            [response(id_, address + size * place, size) for place, id_ in enumerate(ids)]
        )
        self._monitor.answered += len(ids)


class SynchronousSUT(SystemUnderTest):
    """One sample at a time through `predict`: SingleStream."""

    def _infer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        for id_, index in zip(ids, indices, strict=True):
            self._answer((id_,), self._backend.predict(self._samples.one(index)))
            self.padded += self._backend.padding(1)


class QueuedSUT(SystemUnderTest):
    """Batches through the backend's own queue: Offline, Server without batching.

    LoadGen waits for answers after the flush. An inference that failed without telling its
    listener would keep it waiting for ever, so the flush asks for such errors.
    """

    def flush(self) -> None:
        try:
            self._backend.drain()
        except BaseException as error:  # noqa: BLE001 - nothing may reach LoadGen's C++ frames
            self._monitor.fail(error)

    def _infer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        rows = self._samples.rows(indices)
        for start in range(0, len(ids), self._batch_size):
            if self._monitor.error is not None:
                return
            end = start + self._batch_size
            self._submit(ids[start:end], rows[start:end])

    def _submit(self, ids: Sequence[int], rows: NDArray[np.int64]) -> None:
        images = self._samples.batch(rows)
        self.padded += self._backend.padding(len(rows))
        self._backend.submit(images, (ids, images), self)


class MultiStreamSUT(QueuedSUT):
    """A query at a time, in batches side by side. LoadGen waits for the answer to each query."""

    def _infer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        super()._infer(ids, indices)
        self._backend.drain()


class BatchingSUT(QueuedSUT):
    """Server with batches: takes what has arrived while the backend was busy.

    None in the queue asks for a drain.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._arrived: SimpleQueue[tuple[int, int] | None] = SimpleQueue()
        self._closing = False
        self._dispatcher = threading.Thread(target=self._dispatch, daemon=True)
        self._dispatcher.start()

    def _infer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        for pair in zip(ids, indices, strict=True):
            self._arrived.put(pair)

    def flush(self) -> None:
        self._arrived.put(None)

    def close(self) -> None:
        self._closing = True
        self._arrived.put(None)
        self._dispatcher.join()

    def _dispatch(self) -> None:
        try:
            while not self._closing:
                first = self._arrived.get()
                if first is None:
                    self._backend.drain()
                    continue
                ids, indices = zip(*self._batch_from(first), strict=True)
                self._submit(ids, self._samples.rows(indices))
        except BaseException as error:  # noqa: BLE001 - a dead dispatcher would hang the run
            self._monitor.fail(error)

    def _batch_from(self, first: tuple[int, int]) -> list[tuple[int, int]]:
        batch = [first]
        while len(batch) < self._batch_size:
            try:
                pair = self._arrived.get_nowait()
            except Empty:
                break
            if pair is None:
                self._arrived.put(None)
                break
            batch.append(pair)
        return batch


SUTClass = Callable[[Backend, SampleLibrary, RunMonitor, int, int], SystemUnderTest]


def sut_for(scenario: str, batch_size: int) -> SUTClass:
    """The system under test that suits the scenario and the backend."""
    if scenario == "SingleStream":
        return SynchronousSUT
    if scenario == "MultiStream":
        return MultiStreamSUT
    if scenario == "Server" and batch_size > 1:
        return BatchingSUT
    return QueuedSUT
