"""A queue of requests for runtimes that have none: threads that infer side by side."""

import threading
from collections.abc import Callable
from queue import Queue
from typing import Any

from backend import Listener
from mlperf_benchmark.core.image_format import Images, Scores

Infer = Callable[[Images], Scores]
"""Infers a batch; the scores are valid until the next call."""

REQUESTS_PER_STREAM = 2
"""As many requests as streams would leave a stream idle until the next one is submitted."""

Job = tuple[Images, Any, Listener]


class RequestQueue:
    """Infers in as many threads as there are `streams`, each of which calls one of them alone.

    Has `requests` in flight at the most: running, or waiting for their turn.
    """

    def __init__(self, streams: list[Infer]) -> None:
        self.requests = REQUESTS_PER_STREAM * len(streams)
        self._jobs: Queue[Job | None] = Queue(self.requests - len(streams))
        self._threads = [
            threading.Thread(target=self._work, args=(infer,), daemon=True) for infer in streams
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, images: Images, token: Any, listener: Listener) -> None:
        """As `Backend.submit`."""
        self._jobs.put((images, token, listener))

    def drain(self) -> None:
        """As `Backend.drain`."""
        self._jobs.join()

    def close(self) -> None:
        """End the threads, after what is in flight."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, infer: Infer) -> None:
        while (job := self._jobs.get()) is not None:
            images, token, listener = job
            try:
                scores = infer(images)
            except BaseException as error:  # noqa: BLE001 - a dead thread would hang the run
                listener.failed(error)
            else:
                listener.completed(token, scores)
            finally:
                self._jobs.task_done()
