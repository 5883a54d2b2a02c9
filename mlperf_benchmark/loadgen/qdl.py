"""The query dispatch library: LoadGen's proxy for a system under test behind a network."""

import json
import threading
import time
from collections.abc import Sequence
from typing import Any

import mlperf_loadgen as lg

from backend import NetworkBackend
from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.core.image_format import Scores
from mlperf_benchmark.core.node_info import NetworkReport
from mlperf_benchmark.core.text import printable
from mlperf_benchmark.loadgen.monitor import RunMonitor
from mlperf_benchmark.loadgen.samples import SampleLibrary
from mlperf_benchmark.loadgen.sut import QueuedSUT, Token


class QueryDispatchLibrary(QueuedSUT):
    """Each sample becomes one request; each answer goes to LoadGen as it came.

    `close` raises RunError where the numbers of queries and answers differ.
    """

    def __init__(
        self,
        backend: NetworkBackend,
        samples: SampleLibrary,
        monitor: RunMonitor,
        label_offset: int,
    ) -> None:
        super().__init__(backend, samples, monitor, 1, label_offset)
        self._cluster = backend
        self._client_load = 0.0
        self._started: tuple[float, float] | None = None
        self._issued = 0
        self._answered = 0
        self._counting = threading.Lock()

    def construct(self) -> int:
        return int(lg.ConstructQDL(self._issue_samples, self.flush, self._name))

    def destruct(self, handle: int) -> None:
        lg.DestroyQDL(handle)

    def completed(self, token: Token, scores: Scores) -> None:
        super().completed(token, scores)
        with self._counting:
            self._answered += 1

    def close(self) -> None:
        # The last answer reaches LoadGen a moment before it is counted.
        self._backend.drain()
        if self._started is not None:
            wall, busy = self._started
            self._client_load = (time.process_time() - busy) / (time.monotonic() - wall)
        if self._issued != self._answered:
            raise RunError(
                f"LoadGen issued {self._issued} queries, and the nodes answered {self._answered}."
            )

    def report(self) -> NetworkReport:
        """On the nodes and the load of the client; call `close` first."""
        return self._cluster.report(self._client_load)

    def _issue_samples(self, samples: Sequence[Any]) -> None:
        if self._started is None:
            self._started = time.monotonic(), time.process_time()
        self._issued += len(samples)
        pairs = [(sample.id, sample.index) for sample in samples]
        ids, indices = zip(*pairs, strict=True)
        self.issue(ids, indices)

    def _name(self) -> str:
        """LoadGen's callback, which by the rules makes a round trip to every node."""
        try:
            names = printable(", ".join(self._cluster.ask_names()))
            # LoadGen puts it into its JSON unescaped.
            return f"Network SUT: {json.dumps(names)[1:-1]}"
        except BaseException as error:  # noqa: BLE001 - nothing may reach LoadGen's C++ frames
            self._monitor.fail(error)
            return "Network SUT"
