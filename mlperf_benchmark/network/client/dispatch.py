"""Sends each request to the node with the fewest unanswered ones; each is answered once."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from mlperf_benchmark.core.errors import InferenceError
from mlperf_benchmark.core.image_format import Scores
from mlperf_benchmark.network.client.diagnosis import reason
from mlperf_benchmark.network.client.node import Node
from mlperf_benchmark.network.client.wire import Answer

LOSSES = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
"""A node that ends a call with one of these is gone, or as good as gone."""


@dataclass(frozen=True)
class Request:
    """One sample on its way. Exactly one of the two is called, once, from any thread."""

    sample: bytes | memoryview
    answered: Callable[[Scores], None]
    failed: Callable[[BaseException], None]


class Lane:
    """A node with its unanswered requests. Guarded by the dispatcher's lock."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.outstanding = 0
        self.answered = 0
        self.name = ""
        self.lost: str | None = None


class Dispatcher:
    """Keeps at most `in_flight` requests unanswered at each node.

    `read` takes the scores or the label out of an answer. For nonsense it raises an InferenceError,
    whose text follows the node's name. `goes_on`: a lost node's requests are sent again to the
    others, ahead of new ones. A node once lost stays so.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        read: Callable[[Answer], Scores],
        in_flight: int,
        goes_on: bool,
    ) -> None:
        self.lanes = tuple(Lane(node) for node in nodes)
        self._read = read
        self._in_flight = in_flight
        self._goes_on = goes_on
        self._changed = threading.Condition()
        self._unanswered = 0
        self._again: deque[Request] = deque()
        self._error: BaseException | None = None

    def submit(self, request: Request) -> None:
        """Send it; blocks while every node has its share. Raises the error that ended the run."""
        with self._changed:
            while self._error is None and (self._again or not self._free()):
                self._changed.wait()
            if self._error is not None:
                raise self._error
            self._unanswered += 1
            lane = self._take()
        self._send(lane, request)

    def drain(self) -> None:
        """Wait until every request is answered. Raises the error that ended the run."""
        with self._changed:
            while self._error is None and self._unanswered:
                self._changed.wait()
            if self._error is not None:
                raise self._error

    def ask_names(self) -> list[str]:
        """Every node's name, asked for now. Raises InferenceError for a node that is gone."""
        names = []
        for lane in self.lanes:
            if lane.lost is None:
                try:
                    lane.name = lane.node.name()
                except InferenceError:
                    if not self._goes_on:
                        raise
                    with self._changed:
                        lane.lost = lane.lost or "did not report its name"
            names.append(f"{lane.name} (lost)" if lane.lost else lane.name)
        return names

    def _free(self) -> list[Lane]:
        return [
            lane for lane in self.lanes if lane.lost is None and lane.outstanding < self._in_flight
        ]

    def _take(self) -> Lane:
        """The free node with the fewest unanswered requests; among equals, in turn."""
        lane = min(self._free(), key=lambda lane: (lane.outstanding, lane.answered))
        lane.outstanding += 1
        return lane

    def _send(self, lane: Lane, request: Request) -> None:
        call = lane.node.infer(request.sample)
        call.add_done_callback(lambda done: self._done(lane, request, done))

    def _done(self, lane: Lane, request: Request, call: Any) -> None:
        """From gRPC's thread. An exception that left it would be swallowed there."""
        try:
            code = call.code()
            if code == grpc.StatusCode.OK:
                request.answered(self._scores(lane, call.result()))
                self._finish(lane)
            elif code in LOSSES and self._goes_on:
                self._lose(lane, request, reason(call))
            else:
                raise InferenceError(f"{lane.node} {reason(call)}.")
        except BaseException as error:  # noqa: BLE001 - whatever it is ends the run
            self._fail(request, error)

    def _scores(self, lane: Lane, answer: Answer) -> Scores:
        try:
            return self._read(answer)
        except InferenceError as error:
            raise InferenceError(f"{lane.node} {error}.") from error

    def _finish(self, lane: Lane) -> None:
        with self._changed:
            lane.outstanding -= 1
            lane.answered += 1
            self._unanswered -= 1
            self._changed.notify_all()
        if self._again:
            self._send_again()

    def _lose(self, lane: Lane, request: Request, why: str) -> None:
        with self._changed:
            lane.outstanding -= 1
            lane.lost = lane.lost or why
            if all(other.lost for other in self.lanes):
                raise InferenceError(f"No node is left: {lane.node} {why}.")
            self._again.append(request)
        self._send_again()

    def _send_again(self) -> None:
        while True:
            with self._changed:
                if not self._again or not self._free():
                    return
                request, lane = self._again.popleft(), self._take()
                self._changed.notify_all()
            self._send(lane, request)

    def _fail(self, request: Request, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
        request.failed(error)
