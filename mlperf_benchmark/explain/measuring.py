"""Times the models in rounds: whole inferences, and layer by layer."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.errors import InferenceError
from mlperf_benchmark.core.layer_profile import Layer
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.explain.subjects import Loaded

ROUNDS = 10
WARM_UP = 3
ORDER_SEED = 0


@dataclass(frozen=True)
class Measured:
    """`latencies` are seconds of inferences without profiling, `seconds` those of `layers`, of
    shape (measurements, layers). `graph` as in Profile.
    """

    loaded: Loaded
    layers: tuple[Layer, ...]
    latencies: NDArray[np.float64]
    seconds: NDArray[np.float64]
    graph: tuple[tuple[str, bytes], ...]


def measure(
    models: Sequence[Loaded], inferences: int, between: Callable[[], None]
) -> list[Measured]:
    """About `inferences` of each model, with and without the times of layers.

    Each round takes all models in another order, so that a machine whose speed changes is unfair
    to all alike; `between` is called before each. Raises InferenceError.
    """
    rounds = min(ROUNDS, inferences)
    each = -(-inferences // rounds)
    order = list(range(len(models)))
    shuffled = random.Random(ORDER_SEED)  # noqa: S311 - of an order, no secret
    collected: list[_Collected] = [_Collected(model) for model in models]
    for _ in range(rounds):
        between()
        shuffled.shuffle(order)
        for place in order:
            collected[place].measure(each)
    return [one.result() for one in collected]


class _Collected:
    def __init__(self, model: Loaded) -> None:
        self._model = model
        self._latencies: list[float] = []
        self._seconds: list[NDArray[np.float64]] = []
        self._layers: tuple[Layer, ...] = ()
        self._graph: tuple[tuple[str, bytes], ...] = ()

    def measure(self, inferences: int) -> None:
        backend, images = self._model.backend, self._model.images
        try:
            for number in range(WARM_UP + inferences):
                start = time.perf_counter()
                backend.predict(images)
                if number >= WARM_UP:
                    self._latencies.append(time.perf_counter() - start)
            profile = backend.profile(images, inferences)
        except RuntimeError as error:
            raise InferenceError(f"{self._model.subject.file}: {first_line(error)}") from error
        if self._layers and not _same(self._layers, profile.layers):
            raise InferenceError(
                f"{self._model.subject.file}: the runtime executed other layers than before."
            )
        self._layers, self._graph = profile.layers, profile.graph
        self._seconds.append(profile.seconds)

    def result(self) -> Measured:
        seconds = np.concatenate(self._seconds)
        return Measured(self._model, self._layers, np.array(self._latencies), seconds, self._graph)


def _same(before: Sequence[Layer], now: Sequence[Layer]) -> bool:
    """By what they compute: runtimes number what they put in anew each time."""
    return [(one.kind, one.origins) for one in before] == [(one.kind, one.origins) for one in now]
