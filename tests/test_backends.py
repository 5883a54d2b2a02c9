"""Every backend that reads the models of others, against answers computed by hand."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray

from backend import Backend, BackendConfig
from backend_onnxruntime import OnnxRuntimeBackend
from backend_openvino import OpenVINOBackend
from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.image_format import ImageFormat, Images, Scores
from mlperf_benchmark.images.transforms import PYTORCH, VGG
from tests.tiny_models import SIZE, Tiny
from tests.tiny_onnx import save_onnx


@dataclass(frozen=True)
class Kind:
    """A backend, and what writes a model for it."""

    backend: type[Backend]
    save: Callable[[Tiny, Path], Path]


KINDS = MappingProxyType(
    {
        "openvino": Kind(OpenVINOBackend, Tiny.save),
        "onnxruntime": Kind(OnnxRuntimeBackend, save_onnx),
    }
)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def refusal(kind: Kind, model: Path, **changes: Any) -> str:
    with pytest.raises(ModelError) as caught:
        kind.backend(configuration(model, **changes)).load()
    return str(caught.value)


def configuration(model: Path, **changes: Any) -> BackendConfig:
    values: dict[str, Any] = {
        "image": VGG.image,
        "goal": "throughput",
        "threads": 1,
        "precision": "f32",
        "cache_dir": model.parent / "cache",
    }
    return BackendConfig(model=model, **(values | changes))


def colours(count: int, seed: int = 1) -> Images:
    """One random colour an image, so that no two answers are alike by chance."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 250, (count, 1, 1, 3), dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (count, SIZE, SIZE, 3)))


def answers(tiny: Tiny, images: Images, image: ImageFormat = VGG.image) -> list[int]:
    expected: list[int] = tiny.answers(images, image.mean, image.std).tolist()
    return expected


class Listener:
    """Keeps the answer to each token."""

    def __init__(self) -> None:
        self.best: dict[int, list[int]] = {}
        self.errors: list[BaseException] = []
        self._lock = threading.Lock()

    def completed(self, token: Any, scores: Scores) -> None:
        with self._lock:
            self.best[token] = scores.argmax(axis=1).tolist()

    def failed(self, error: BaseException) -> None:
        self.errors.append(error)


def best(backend: Backend, images: Images) -> list[int]:
    labels: list[int] = backend.predict(images).argmax(axis=1).tolist()
    return labels


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("batch", [-1, 1, 4])
@pytest.mark.parametrize("image", [VGG.image, PYTORCH.image], ids=["vgg", "pytorch"])
def test_layout_batch_and_normalisation(
    kind: Kind, tmp_path: Path, layout: str, batch: int, image: ImageFormat
) -> None:
    tiny = Tiny(layout=layout, batch=batch)
    wanted = 4 if batch == -1 else batch
    backend = kind.backend(
        configuration(kind.save(tiny, tmp_path), image=image, max_batch_size=wanted)
    )
    info = backend.load()
    images = colours(wanted)
    assert best(backend, images) == answers(tiny, images, image)
    assert info.data_format == layout
    assert info.max_batch_size == wanted
    assert info.classes == 1000
    assert (info.input_name, info.output_name) == ("image", "scores")


@pytest.mark.parametrize("variable", [True, False], ids=["Server", "Offline"])
@pytest.mark.parametrize("batch", [-1, 4])
def test_short_batches_get_the_same_answers(
    kind: Kind, tmp_path: Path, batch: int, variable: bool
) -> None:
    tiny = Tiny(batch=batch)
    backend = kind.backend(
        configuration(kind.save(tiny, tmp_path), max_batch_size=4, variable_batch=variable)
    )
    assert backend.load().batch_is_fixed == (batch == 4)
    images = colours(4)
    expected = answers(tiny, images)
    pads = batch == 4 or not variable
    assert [backend.padding(count) for count in (1, 3, 4)] == ([3, 1, 0] if pads else [0, 0, 0])
    for count in (1, 3, 4, 2):
        assert best(backend, images[:count]) == expected[:count]


@pytest.mark.parametrize("batch", [-1, 4])
def test_queue_answers_each_batch_with_its_own_token(
    kind: Kind, tmp_path: Path, batch: int
) -> None:
    tiny = Tiny(batch=batch)
    backend = kind.backend(configuration(kind.save(tiny, tmp_path), max_batch_size=4, streams=1))
    info = backend.load()
    listener = Listener()
    images = colours(99)
    starts = range(0, len(images), 4)
    for start in starts:
        backend.submit(images[start : start + 4], start, listener)
    backend.drain()
    expected = answers(tiny, images)
    assert listener.best == {start: expected[start : start + 4] for start in starts}
    assert not listener.errors
    assert info.requests > info.streams


def test_input_of_bytes_is_not_normalised_again(kind: Kind, tmp_path: Path) -> None:
    tiny = Tiny(element_type=ov.Type.u8, layout="NHWC")
    backend = kind.backend(configuration(kind.save(tiny, tmp_path)))
    backend.load()
    images = colours(1)
    assert best(backend, images) == tiny.answers(images, (0, 0, 0), (1, 1, 1)).tolist()


@pytest.mark.parametrize("tail", [(), (1, 1)])
@pytest.mark.parametrize("classes", [1000, 1001])
def test_classes(kind: Kind, tmp_path: Path, classes: int, tail: tuple[int, ...]) -> None:
    tiny = Tiny(classes=classes, tail=tail)
    backend = kind.backend(configuration(kind.save(tiny, tmp_path)))
    assert backend.load().classes == classes
    images = colours(1)
    assert best(backend, images) == answers(tiny, images)


def test_scores_are_found_among_several_outputs(kind: Kind, tmp_path: Path) -> None:
    tiny = Tiny(extra_outputs=(5, 7))
    backend = kind.backend(configuration(kind.save(tiny, tmp_path)))
    assert backend.load().output_name == "scores"
    images = colours(1)
    assert best(backend, images) == answers(tiny, images)


def test_output_is_chosen_by_name(kind: Kind, tmp_path: Path) -> None:
    tiny = Tiny(extra_outputs=(1000, 5))
    model = kind.save(tiny, tmp_path)
    assert "extra0" in refusal(kind, model)
    assert "--outputs" in refusal(kind, model)
    images = colours(1)
    for name in ("scores", "scores:0"):
        backend = kind.backend(configuration(model, outputs=(name,)))
        assert backend.load().output_name == "scores"
        assert best(backend, images) == answers(tiny, images)
    other = kind.backend(configuration(model, outputs=("extra0",)))
    assert other.load().output_name == "extra0"


@pytest.mark.parametrize(
    ("option", "port", "known"), [("inputs", "input", "image"), ("outputs", "output", "scores")]
)
def test_unknown_name_is_answered_with_the_models(
    kind: Kind, tmp_path: Path, option: str, port: str, known: str
) -> None:
    message = refusal(kind, kind.save(Tiny(), tmp_path), **{option: ("nonsense",)})
    assert f'no {port} "nonsense"' in message
    assert known in message


def test_input_is_chosen_by_name(kind: Kind, tmp_path: Path) -> None:
    backend = kind.backend(configuration(kind.save(Tiny(), tmp_path), inputs=("image",)))
    assert backend.load().input_name == "image"


@pytest.mark.parametrize(
    ("tiny", "changes", "reason"),
    [
        (Tiny(classes=999), {}, "1000 (or 1001) classes"),
        (Tiny(channels=1), {}, "RGB images of 3 channels"),
        (Tiny(channels=4), {"data_format": "NCHW"}, "224×224×3"),
        (Tiny(size=299), {}, "takes images of 299×299×3, and the data set makes 224×224×3"),
        (Tiny(size=288, layout="NHWC"), {}, "export the model for 224×224"),
        (Tiny(known_rank=False), {}, "unknown rank; say with --data-format"),
        (Tiny(batch=4), {"max_batch_size": 8}, "--max-batchsize can be at most 4"),
        (Tiny(size=3), {}, "--data-format"),
        (Tiny(), {"data_format": "NHWC"}, "224×224×3"),
        (Tiny(extra_input=True), {}, "threshold"),
    ],
    ids=[
        "classes",
        "grey",
        "four channels",
        "size",
        "size of NHWC",
        "rank",
        "batch",
        "ambiguous",
        "layout",
        "two inputs",
    ],
)
def test_model_that_does_not_fit_is_refused_with_its_shape(
    kind: Kind, tmp_path: Path, tiny: Tiny, changes: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(kind, kind.save(tiny, tmp_path), **changes)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_unknown_rank_takes_the_layout_that_is_said(
    kind: Kind, tmp_path: Path, layout: str
) -> None:
    tiny = Tiny(known_rank=False, layout=layout)
    backend = kind.backend(
        configuration(kind.save(tiny, tmp_path), data_format=layout, max_batch_size=2)
    )
    assert backend.load().max_batch_size == 2
    images = colours(2)
    assert best(backend, images) == answers(tiny, images)


STORED = {
    "f32": (ov.Type.f32, "f32"),
    "f16": (ov.Type.f16, "f32 (weights stored as f16)"),
    "bf16": (ov.Type.bf16, "f32 (weights stored as bf16)"),
    "int8": (ov.Type.i8, "f32 (weights stored as int8)"),
}


@pytest.mark.parametrize(("stored", "told"), STORED.values(), ids=STORED)
def test_weights_stored_otherwise_are_not_what_is_computed_in(
    kind: Kind, stored: ov.Type, told: str, tmp_path: Path
) -> None:
    model = kind.save(Tiny(stored_as=stored), tmp_path)
    assert kind.backend(configuration(model)).load().executed_precision == told


def test_answers_stay_right_while_the_caller_reuses_memory(kind: Kind, tmp_path: Path) -> None:
    """The queue infers from the caller's array without a copy, which must not be freed under it."""
    tiny = Tiny(batch=-1)
    backend = kind.backend(configuration(kind.save(tiny, tmp_path), max_batch_size=2))
    backend.load()
    listener = Listener()
    expected: list[NDArray[np.int64]] = []
    for number in range(50):
        images = colours(2, seed=number)
        expected.append(tiny.answers(images, VGG.image.mean, VGG.image.std))
        backend.submit(images, number, listener)
        del images
    backend.drain()
    assert [listener.best[number] for number in range(50)] == [
        labels.tolist() for labels in expected
    ]
