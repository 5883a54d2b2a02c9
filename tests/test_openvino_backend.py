"""The OpenVINO backend on models of every shape, against answers computed by hand."""

import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray

from backend import BackendConfig
from backend_openvino import OpenVINOBackend
from mlperf_benchmark.core.errors import BenchmarkError, ModelError
from mlperf_benchmark.core.image_format import ImageFormat, Images, Scores
from mlperf_benchmark.images.transforms import PYTORCH, VGG
from mlperf_benchmark.models.prepare.sample import Sample
from tests.tiny_models import SIZE, Tiny


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


def refusal(model: Path, **changes: Any) -> str:
    with pytest.raises(ModelError) as caught:
        OpenVINOBackend(configuration(model, **changes)).load()
    return str(caught.value)


def best(backend: OpenVINOBackend, images: Images) -> list[int]:
    labels: list[int] = backend.predict(images).argmax(axis=1).tolist()
    return labels


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("batch", [-1, 1, 4])
@pytest.mark.parametrize("image", [VGG.image, PYTORCH.image], ids=["vgg", "pytorch"])
def test_layout_batch_and_normalisation(
    tmp_path: Path, layout: str, batch: int, image: ImageFormat
) -> None:
    tiny = Tiny(layout=layout, batch=batch)
    wanted = 4 if batch == -1 else batch
    backend = OpenVINOBackend(
        configuration(tiny.save(tmp_path), image=image, max_batch_size=wanted)
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
def test_short_batches_get_the_same_answers(tmp_path: Path, batch: int, variable: bool) -> None:
    tiny = Tiny(batch=batch)
    backend = OpenVINOBackend(
        configuration(tiny.save(tmp_path), max_batch_size=4, variable_batch=variable)
    )
    backend.load()
    images = colours(4)
    expected = answers(tiny, images)
    for count in (1, 3, 4, 2):
        assert best(backend, images[:count]) == expected[:count]


@pytest.mark.parametrize("batch", [-1, 4])
def test_queue_answers_each_batch_with_its_own_token(tmp_path: Path, batch: int) -> None:
    tiny = Tiny(batch=batch)
    backend = OpenVINOBackend(configuration(tiny.save(tmp_path), max_batch_size=4, streams=1))
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


def test_input_of_bytes_is_not_normalised_again(tmp_path: Path) -> None:
    tiny = Tiny(element_type=ov.Type.u8, layout="NHWC")
    backend = OpenVINOBackend(configuration(tiny.save(tmp_path)))
    backend.load()
    images = colours(1)
    assert best(backend, images) == tiny.answers(images, (0, 0, 0), (1, 1, 1)).tolist()


@pytest.mark.parametrize("tail", [(), (1, 1)])
@pytest.mark.parametrize("classes", [1000, 1001])
def test_classes(tmp_path: Path, classes: int, tail: tuple[int, ...]) -> None:
    tiny = Tiny(classes=classes, tail=tail)
    backend = OpenVINOBackend(configuration(tiny.save(tmp_path)))
    assert backend.load().classes == classes
    images = colours(1)
    assert best(backend, images) == answers(tiny, images)


def test_onnx(tmp_path: Path) -> None:
    from tests.tiny_onnx import save_onnx

    tiny = Tiny(batch=-1)
    backend = OpenVINOBackend(configuration(save_onnx(tiny, tmp_path), max_batch_size=2))
    backend.load()
    images = colours(2)
    assert best(backend, images) == answers(tiny, images)


def test_scores_are_found_among_several_outputs(tmp_path: Path) -> None:
    tiny = Tiny(extra_outputs=(5, 7))
    backend = OpenVINOBackend(configuration(tiny.save(tmp_path)))
    assert backend.load().output_name == "scores"
    images = colours(1)
    assert best(backend, images) == answers(tiny, images)


def test_output_is_chosen_by_name(tmp_path: Path) -> None:
    tiny = Tiny(extra_outputs=(1000, 5))
    model = tiny.save(tmp_path)
    assert "extra0" in refusal(model)
    assert "--outputs" in refusal(model)
    images = colours(1)
    for name in ("scores", "scores:0"):
        backend = OpenVINOBackend(configuration(model, outputs=(name,)))
        assert backend.load().output_name == "scores"
        assert best(backend, images) == answers(tiny, images)
    other = OpenVINOBackend(configuration(model, outputs=("extra0",)))
    assert other.load().output_name == "extra0"


@pytest.mark.parametrize(
    ("option", "kind", "known"), [("inputs", "input", "image"), ("outputs", "output", "scores")]
)
def test_unknown_name_is_answered_with_the_models(
    tmp_path: Path, option: str, kind: str, known: str
) -> None:
    message = refusal(Tiny().save(tmp_path), **{option: ("nonsense",)})
    assert f'no {kind} "nonsense"' in message
    assert known in message


def test_input_is_chosen_by_name(tmp_path: Path) -> None:
    backend = OpenVINOBackend(configuration(Tiny().save(tmp_path), inputs=("image",)))
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
    tmp_path: Path, tiny: Tiny, changes: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(tiny.save(tmp_path), **changes)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_unknown_rank_takes_the_layout_that_is_said(tmp_path: Path, layout: str) -> None:
    tiny = Tiny(known_rank=False, layout=layout)
    backend = OpenVINOBackend(
        configuration(tiny.save(tmp_path), data_format=layout, max_batch_size=2)
    )
    assert backend.load().max_batch_size == 2
    images = colours(2)
    assert best(backend, images) == answers(tiny, images)


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    model = Tiny().save(tmp_path)
    assert "No model file" in refusal(tmp_path / "other.xml")
    assert ".onnx" in refusal(tmp_path)
    (tmp_path / "model.pb").write_bytes(b"x")
    assert ".xml, .onnx, .zip" in refusal(tmp_path / "model.pb")
    (tmp_path / "broken.onnx").write_bytes(b"nonsense")
    assert "broken.onnx" in refusal(tmp_path / "broken.onnx")
    (tmp_path / "broken.xml").write_text("<net>")
    (tmp_path / "broken.bin").write_bytes(b"")
    assert "broken.xml" in refusal(tmp_path / "broken.xml")
    model.with_suffix(".bin").unlink()
    assert "no tiny.bin beside it" in refusal(model)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 18524032\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights[:100], "is cut short, or of another model: it has 100 bytes"),
        (lambda weights: weights * 3, "is of another model: it has"),
        (lambda _: b"", "is empty"),
        (lambda _: POINTER, "is a Git LFS pointer"),
        (lambda _: b"<!DOCTYPE html>", "is a web page"),
    ],
    ids=["cut", "foreign", "empty", "pointer", "page"],
)
def test_weights_that_are_not_the_models_are_told(
    tmp_path: Path, change: Callable[[bytes], bytes], words: str
) -> None:
    model = Tiny().save(tmp_path)
    weights = model.with_suffix(".bin")
    weights.write_bytes(change(weights.read_bytes()))
    message = refusal(model)
    assert f"The weights of {model} cannot be used: {weights} {words}" in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.onnx", POINTER, "is a Git LFS pointer"),
        ("model.onnx", b"<!DOCTYPE html>", "is a web page"),
        ("model.onnx", b"nonsense", "is no ONNX model"),
        ("model.onnx", b"", "is empty"),
        ("model.zip", POINTER, "is a Git LFS pointer"),
        ("model.xml", POINTER, "is a Git LFS pointer"),
        ("model.xml", b"<?xml version='1.0'?><net name='a'><layers>", "is cut short or damaged"),
    ],
)
def test_file_that_is_no_model_gets_one_line(
    tmp_path: Path, name: str, content: bytes, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.bin").touch()
    (tmp_path / name).write_bytes(content)
    assert f"{tmp_path / name} {words}" in refusal(tmp_path / name)
    assert capfd.readouterr().err == "", "libraries' own messages"


def test_names_in_upper_case(tmp_path: Path) -> None:
    model = Tiny().save(tmp_path)
    upper = model.rename(tmp_path / "MODEL.XML")
    model.with_suffix(".bin").rename(tmp_path / "MODEL.BIN")
    images = colours(1)
    backend = OpenVINOBackend(configuration(upper))
    backend.load()
    assert best(backend, images) == answers(Tiny(), images)


def zipped(folder: Path, names: Sequence[str]) -> Path:
    """An archive of a good model under these names."""
    model = Tiny().save(folder, "inner")
    archive = folder / "model.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            data = model.with_suffix(Path(name).suffix.lower()).read_bytes()
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return archive


@pytest.mark.parametrize(
    "names",
    [
        ("a.xml", "a.bin"),
        ("deep/er/a.xml", "deep/er/a.bin"),
        ("A.XML", "A.BIN"),
        ("a.xml", "a.bin", "__MACOSX/._a.xml", "__MACOSX/._a.bin", "._a.xml", ".x/b.bin"),
    ],
)
def test_zip_of_a_pair(tmp_path: Path, names: tuple[str, str]) -> None:
    archive = zipped(tmp_path, names)
    images = colours(1)
    for _ in range(2):  # unpacked, then found in the cache
        backend = OpenVINOBackend(configuration(archive))
        backend.load()
        assert best(backend, images) == answers(Tiny(), images)


@pytest.mark.parametrize(
    "names",
    [
        ("../a.xml", "../a.bin"),
        ("/tmp/a.xml", "/tmp/a.bin"),
        ("b/../../a.xml", "a.bin"),
        ("..\\a.xml", "a.bin"),
    ],
)
def test_zip_that_leads_out_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    assert "leads out of the archive" in refusal(zipped(tmp_path, names))
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "a.xml").exists()


@pytest.mark.parametrize("names", [("a.xml", "b.xml", "a.bin"), ("a.xml",), ("a.bin",)])
def test_zip_without_one_pair_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert "one .xml and one .bin" in refusal(zipped(tmp_path, names))


def test_damaged_zip_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    archive = zipped(tmp_path, ("a.xml", "a.bin"))
    data = bytearray(archive.read_bytes())
    (tmp_path / "no.zip").write_bytes(b"nonsense")
    assert "no.zip" in refusal(tmp_path / "no.zip")
    for place in range(60, 400, 20):
        damaged = data.copy()
        damaged[place] ^= 0xFF
        archive.write_bytes(damaged)
        with pytest.raises(BenchmarkError, match=r"model\.zip"):
            OpenVINOBackend(configuration(archive)).load()
    models = tmp_path / "cache" / "models"
    assert not models.exists() or not any(models.iterdir())


def test_encrypted_zip_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path, ("a.xml", "a.bin"))
    data = archive.read_bytes()
    # The flag that says so, in the local and in the central headers.
    for header in (b"PK\x03\x04\x14\x00", b"PK\x01\x02\x14\x03\x14\x00"):
        assert header in data
        data = data.replace(header + b"\x00", header + b"\x01")
    archive.write_bytes(data)
    assert "model.zip" in refusal(archive)


def test_unpacking_at_once_in_two_threads(tmp_path: Path) -> None:
    archive = zipped(tmp_path, ("a.xml", "a.bin"))
    errors: list[BaseException] = []
    barrier = threading.Barrier(4)

    def load() -> None:
        barrier.wait()
        try:
            OpenVINOBackend(configuration(archive)).load()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_threads_and_streams_are_those_of_the_runtime(tmp_path: Path) -> None:
    model = Tiny(batch=-1).save(tmp_path)
    one = OpenVINOBackend(configuration(model, threads=1)).load()
    two = OpenVINOBackend(configuration(model, threads=2, streams=2)).load()
    assert (one.threads, two.threads) == (1, 2)
    assert two.streams == 2
    assert two.requests == 4


def test_executed_precision_is_read_back(sample: Sample) -> None:
    image = ImageFormat(SIZE, SIZE, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0))
    full = OpenVINOBackend(configuration(sample.model, image=image)).load()
    assert full.executed_precision == "f32"
    if "BF16" not in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bfloat16")
    half = OpenVINOBackend(configuration(sample.model, image=image, precision="bf16")).load()
    assert half.executed_precision.startswith("bf16")


STORED = {
    "f32": (ov.Type.f32, "f32"),
    "f16": (ov.Type.f16, "f32 (weights stored as f16)"),
    "bf16": (ov.Type.bf16, "f32 (weights stored as bf16)"),
    "int8": (ov.Type.i8, "f32 (weights stored as int8)"),
}


@pytest.mark.parametrize(("stored", "told"), STORED.values(), ids=STORED)
def test_weights_stored_otherwise_are_not_what_is_computed_in(
    stored: ov.Type, told: str, tmp_path: Path
) -> None:
    model = Tiny(stored_as=stored).save(tmp_path)
    assert OpenVINOBackend(configuration(model)).load().executed_precision == told


def test_openvinos_compressed_weights_are_computed_in_f32(tmp_path: Path) -> None:
    """As `ovc` and `openvino.save_model` write them by default: the runtime keeps them small."""
    ov.save_model(Tiny().build(), tmp_path / "tiny.xml")
    told = OpenVINOBackend(configuration(tmp_path / "tiny.xml")).load().executed_precision
    assert told == "f32 (weights stored as f16)"


def test_answers_stay_right_while_the_caller_reuses_memory(tmp_path: Path) -> None:
    """The queue infers from the caller's array without a copy, which must not be freed under it."""
    tiny = Tiny(batch=-1)
    backend = OpenVINOBackend(configuration(tiny.save(tmp_path), max_batch_size=2))
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
