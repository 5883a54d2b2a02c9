"""The OpenVINO backend on models of every shape, against answers computed by hand."""

import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openvino as ov
import pytest

from backend_openvino import OpenVINOBackend
from mlperf_benchmark.core.errors import BenchmarkError, ModelError
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.models.prepare.sample import Sample
from tests.test_backends import answers, best, colours, configuration
from tests.tiny_models import SIZE, Tiny


def refusal(model: Path, **changes: Any) -> str:
    with pytest.raises(ModelError) as caught:
        OpenVINOBackend(configuration(model, **changes)).load()
    return str(caught.value)


def test_onnx(tmp_path: Path) -> None:
    from tests.tiny_onnx import save_onnx

    tiny = Tiny(batch=-1)
    backend = OpenVINOBackend(configuration(save_onnx(tiny, tmp_path), max_batch_size=2))
    backend.load()
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
        ("model.onnx", b"nonsense", "is not an ONNX model"),
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


def test_openvinos_compressed_weights_are_computed_in_f32(tmp_path: Path) -> None:
    """As `ovc` and `openvino.save_model` write them by default: the runtime keeps them small."""
    ov.save_model(Tiny().build(), tmp_path / "tiny.xml")
    told = OpenVINOBackend(configuration(tmp_path / "tiny.xml")).load().executed_precision
    assert told == "f32 (weights stored as f16)"
