"""Time the models in rounds, both as whole inferences and layer by layer."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.errors import InferenceError
from mlperf_benchmark.core.layer_profile import Layer
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.explain.subjects import Loaded
from mlperf_benchmark.loadgen.probe import predict_seconds

ROUNDS = 10
WARM_UP = 3
ORDER_SEED = 0


@dataclass(frozen=True)
class Measured:
    """The times of one model.

    `latencies` are the seconds of inferences without profiling. `seconds` are those of `layers`, of
    shape (measurements, layers). `graph` is as in Profile.
    """

    loaded: Loaded
    layers: tuple[Layer, ...]
    latencies: NDArray[np.float64]
    seconds: NDArray[np.float64]
    graph: tuple[tuple[str, bytes], ...]


def measure(
    models: Sequence[Loaded], inferences: int, between: Callable[[], None]
) -> list[Measured]:
    """Run about `inferences` inferences of each model, both with and without layer times.

    Each round covers all models and both ways of timing in a new random order, so that changes of
    the machine's speed affect all alike. `between` is called before each measurement. Raises
    InferenceError.
    """
    rounds = min(ROUNDS, inferences)
    each = -(-inferences // rounds)
    shuffled = random.Random(ORDER_SEED)  # noqa: S311 - of an order, no secret
    collected = [_Collected(model) for model in models]
    turns = [turn for one in collected for turn in (one.infer, one.profile)]
    for _ in range(rounds):
        between()
        shuffled.shuffle(turns)
        for turn in turns:
            turn(each)
    return [one.result() for one in collected]


class _Collected:
    def __init__(self, model: Loaded) -> None:
        self._model = model
        self._latencies: list[float] = []
        self._seconds: list[NDArray[np.float64]] = []
        self._layers: tuple[Layer, ...] = ()
        self._graph: tuple[tuple[str, bytes], ...] = ()

    def infer(self, inferences: int) -> None:
        backend, images = self._model.backend, self._model.images
        with self._errors_named():
            for number in range(WARM_UP + inferences):
                seconds = predict_seconds(backend, images)
                if number >= WARM_UP:
                    self._latencies.append(seconds)

    def profile(self, inferences: int) -> None:
        with self._errors_named():
            profile = self._model.backend.profile(self._model.images, inferences)
        if self._layers and not _same(self._layers, profile.layers):
            raise InferenceError(
                f"{self._model.subject.file}: the runtime executed other layers than before."
            )
        self._layers, self._graph = profile.layers, profile.graph
        self._seconds.append(profile.seconds)

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise InferenceError(f"{self._model.subject.file}: {first_line(error)}") from error

    def result(self) -> Measured:
        seconds = np.concatenate(self._seconds)
        return Measured(self._model, self._layers, np.array(self._latencies), seconds, self._graph)


def _same(before: Sequence[Layer], now: Sequence[Layer]) -> bool:
    """Whether the layers are the same, whatever names the runtime gave to those that it added."""
    return [(one.kind, one.origins) for one in before] == [(one.kind, one.origins) for one in now]
