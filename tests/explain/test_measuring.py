"""Rounds whose layers differ, as runtimes compile a model anew for each."""

from pathlib import Path
from typing import cast

import numpy as np

from backend import Backend
from mlperf_benchmark.core.image_format import Images, Scores
from mlperf_benchmark.core.layer_profile import CONVERSION, CONVOLUTION, Layer, Profile
from mlperf_benchmark.explain.measuring import measure
from mlperf_benchmark.explain.subjects import Loaded, Subject

CONV = Layer("conv", CONVOLUTION, ("/conv",), "jit", "f32")
NEXT = Layer("next", CONVOLUTION, ("/next",), "jit", "f32")


def reorder(name: str) -> Layer:
    return Layer(name, CONVERSION, (), "reorder", "f32")


class Changing:
    """Gives the profiles one after the other, each of one measurement."""

    def __init__(self, *profiles: dict[Layer, float]) -> None:
        self._profiles = iter(profiles)

    def predict(self, images: Images) -> Scores:
        return np.zeros((len(images), 10), np.float32)

    def profile(self, images: Images, inferences: int) -> Profile:
        times = next(self._profiles)
        return Profile(tuple(times), np.array([list(times.values())]))


def test_layers_are_matched_from_round_to_round() -> None:
    """In another order, with other names for what the runtime added, and once without it."""
    backend = Changing(
        {CONV: 1.0, reorder("a"): 0.1, NEXT: 2.0},
        {NEXT: 2.2, CONV: 1.2, reorder("b"): 0.3},
        {CONV: 1.1, NEXT: 2.1, reorder("c"): 0.2, reorder("d"): 9.0},
        {CONV: 1.3, NEXT: 2.3},
    )
    subject = cast(Subject, type("Named", (), {"file": Path("net.onnx")}))
    images = np.zeros((1, 8, 8, 3), np.uint8)
    loaded = Loaded(subject, cast(Backend, backend), None, images)  # type: ignore[arg-type]
    (found,) = measure([loaded], inferences=4, between=lambda: None)
    assert [layer.kind for layer in found.layers] == [CONVOLUTION, CONVERSION, CONVOLUTION]
    np.testing.assert_allclose(
        found.seconds, [[1.0, 0.1, 2.0], [1.2, 0.3, 2.2], [1.1, 0.2, 2.1], [1.3, 0.0, 2.3]]
    )
