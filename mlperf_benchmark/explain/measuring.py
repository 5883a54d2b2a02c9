"""Time the models in rounds, both as whole inferences and layer by layer."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.core.errors import InferenceError
from mlperf_benchmark.core.layer_profile import Layer, Profile
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.explain.subjects import Loaded
from mlperf_benchmark.loadgen.probe import predict_seconds

_What = tuple[str, tuple[str, ...], tuple[int, ...]]
_Key = tuple[_What, int]

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
        self._profiles: list[Profile] = []

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
        self._profiles.append(profile)

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise InferenceError(f"{self._model.subject.file}: {first_line(error)}") from error

    def result(self) -> Measured:
        layers, seconds = _joined(self._profiles)
        graph = self._profiles[-1].graph
        return Measured(self._model, layers, np.array(self._latencies), seconds, graph)


def _joined(profiles: Sequence[Profile]) -> tuple[tuple[Layer, ...], NDArray[np.float64]]:
    """The layers of most profiles, and the times of all, with 0 where a layer did not run.

    A runtime that compiles the model anew may convert a tensor more or less often, or run layers in
    another order. The names of those that it added itself change, too.
    """
    columns = [dict(zip(_keys(one.layers), one.seconds.T, strict=True)) for one in profiles]
    layers = {
        key: layer
        for one in profiles
        for key, layer in zip(_keys(one.layers), one.layers, strict=True)
    }
    most = [key for key in layers if 2 * sum(key in one for one in columns) > len(profiles)]
    # In the order of the round that ran most of them.
    fullest = max(columns, key=lambda one: sum(key in one for key in most))
    kept = list(dict.fromkeys([*(key for key in fullest if key in most), *most]))
    seconds = [
        np.stack([one.get(key, np.zeros(len(profile.seconds))) for key in kept], axis=1)
        for one, profile in zip(columns, profiles, strict=True)
    ]
    return tuple(layers[key] for key in kept), np.concatenate(seconds)


def _keys(layers: Sequence[Layer]) -> list[_Key]:
    """What tells the layers of a profile apart: what they compute, and their number among such.

    What the runtime added computes nothing of the model's, so that its size has to tell.
    """
    seen: Counter[_What] = Counter()
    keys: list[_Key] = []
    for layer in layers:
        size: tuple[int, ...] = () if layer.origins else (layer.input_bytes, layer.output_bytes)
        what: _What = (layer.kind, layer.origins, size)
        keys.append((what, seen[what]))
        seen[what] += 1
    return keys
