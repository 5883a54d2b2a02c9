"""What the threads of a run tell the main thread."""

import threading


class RunMonitor:
    """Ends the wait for a test when it is finished or when its first error comes up."""

    def __init__(self) -> None:
        self.answered = 0
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._error: BaseException | None = None

    @property
    def error(self) -> BaseException | None:
        return self._error

    def finish(self) -> None:
        self._ended.set()

    def fail(self, error: BaseException) -> None:
        """Remember the first error; those that follow from it tell nothing new."""
        with self._lock:
            if self._error is None:
                self._error = error
        self._ended.set()

    def wait(self, timeout: float | None) -> bool:
        """True once the test has ended. A signal interrupts the wait in the main thread."""
        return self._ended.wait(timeout)
