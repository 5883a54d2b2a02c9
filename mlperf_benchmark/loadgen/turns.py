"""Lets processes that are compared take turns between their queries.

In SingleStream and MultiStream LoadGen starts the clock of a query when the callback for the one
before has returned and its answer is there (loadgen/issue_query_controller.cc). A pause at the end
of a callback is therefore in no latency, whatever the processes whose turn it is do meanwhile.
In Server and Offline a turn is a whole test, of which a run then has several.
"""

import time
from collections.abc import Callable, Sequence
from typing import TextIO

import mlperf_loadgen as lg

from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.core.turn_protocol import READY
from mlperf_benchmark.loadgen.monitor import RunMonitor
from mlperf_benchmark.loadgen.sut import SystemUnderTest

NOBODY = "Standard input has ended: nobody gives this process its turns."
# A runtime's threads look for more work before they sleep.
SETTLED_SHARE = 0.1
SETTLE_TICK_SECONDS = 0.002
MAX_SETTLE_SECONDS = 1.0


class Turns:
    """The turns of this process: a line on standard output asks for one, a line on standard input
    gives it.

    A turn is over after `queries` queries, or (None) at the end of a test.
    """

    def __init__(self, queries: int | None, hear: TextIO | None, say: TextIO) -> None:
        self.queries = queries
        self._hear = hear
        self._say = say

    def wait(self) -> None:
        """Rest until the next turn. Raises RunError if nobody gives turns any longer."""
        settle()
        try:
            # On a line of its own, whatever a runtime has printed.
            print(f"\n{READY}", file=self._say, flush=True)
            if self._hear is not None and self._hear.readline():
                return
        except OSError as error:
            raise RunError(NOBODY) from error
        raise RunError(NOBODY)


class TurnTakingSUT(SystemUnderTest):
    """Lets another process run after each turn's queries.

    `resume` is called when a turn begins, so that no query pays for the caches that other processes
    emptied.
    """

    def __init__(
        self, sut: SystemUnderTest, monitor: RunMonitor, turns: Turns, resume: Callable[[], None]
    ) -> None:
        self._sut = sut
        self._monitor = monitor
        self._turns = turns
        self._resume = resume
        self._issued = 0

    def construct(self) -> int:
        # The test begins with a turn, so that LoadGen's clocks start one turn after the other.
        self._rest()
        return int(lg.ConstructFastSUT(self.issue, self._sut.flush))

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        self._sut.issue(ids, indices)
        self._issued += 1
        queries = self._turns.queries
        if queries and self._issued % queries == 0 and self._monitor.error is None:
            try:
                self._rest()
            except BaseException as error:  # noqa: BLE001 - nothing may reach LoadGen's C++ frames
                self._monitor.fail(error)

    def close(self) -> None:
        self._sut.close()

    def _rest(self) -> None:
        self._turns.wait()
        self._resume()


def settle() -> None:
    """Wait until no thread of this process computes: others want their turn undisturbed."""
    end = time.monotonic() + MAX_SETTLE_SECONDS
    while time.monotonic() < end:
        wall, own = time.monotonic(), time.process_time()
        time.sleep(SETTLE_TICK_SECONDS)
        if time.process_time() - own < SETTLED_SHARE * (time.monotonic() - wall):
            return
