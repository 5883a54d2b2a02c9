"""The tvm backend: batches, threads, inputs, and files that it refuses."""

import hashlib
import json
import os
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tvm

from backend_tvm import TVMBackend
from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.tvm_compiler.versions import TVM, TVM_FFI
from tests.tvm_compiler.conftest import Compiler, backend_config
from tests.tvm_compiler.graphs import Model, random_images, reference

PIN = "pip install apache-tvm==0.27.0.post1 apache-tvm-ffi==0.1.14.post1"

SPINS = "TVM_THREAD_POOL_SPIN_COUNT"


def small_model() -> Model:
    return Model(12, 12).conv(20, 3, pads=1).relu().conv(40, 3, stride=2, pads=1).classifier(7)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled")
    return Compiler(folder).compile(small_model().onnx(), batches=(1, 4))


def edited(path: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a compiled model whose description says otherwise."""
    target = folder / "edited.tvm"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "model.json":
                content = json.dumps({**json.loads(content), **changes}).encode()
            new.writestr(name, content)
    return target


def test_the_packages_are_the_pinned_ones() -> None:
    found = (version("apache-tvm"), version("apache-tvm-ffi"))
    assert found == (TVM, TVM_FFI), (
        f"TVM 0.27 crashes with newer releases of apache-tvm-ffi; run: {PIN}"
    )


@pytest.mark.parametrize(("own", "then"), [(None, "10000"), ("5", "5")])
def test_threads_sleep_soon_where_others_wait_for_their_turn(
    own: str | None,
    then: str,
    path: Path,
    compiler: Compiler,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless the user has said how long they look for work."""
    monkeypatch.delenv(SPINS, raising=False)
    if own:
        monkeypatch.setenv(SPINS, own)
    compiler.load(path, small_model().image(), takes_turns=True)
    assert os.environ.pop(SPINS, None) == then


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 11])
def test_batches_of_any_size_are_served(count: int, path: Path, compiler: Compiler) -> None:
    model = small_model()
    images = random_images(count, 12, 12)

    scores = compiler.load(path, model.image(), max_batch_size=16).predict(images)

    assert scores.shape == (count, 7)
    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_a_model_without_batch_1_pads(compiler: Compiler) -> None:
    model = small_model()
    images = random_images(3, 12, 12)
    path = compiler.compile(model.onnx(), batches=(2,))

    backend = compiler.load(path, model.image(), max_batch_size=3)
    scores = backend.predict(images)

    expected = reference(model.onnx(), images, model.image())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    assert [backend.padding(count) for count in (1, 2, 3)] == [1, 0, 1]
    own = TVMBackend(backend_config(path, model.image(), max_batch_size=None))
    info = own.load()
    own.close()
    assert (info.max_batch_size, info.batch_is_fixed) == (2, True)


@pytest.mark.parametrize("offset", [0, 1, 63])
def test_images_may_lie_anywhere_in_memory(offset: int, path: Path, compiler: Compiler) -> None:
    images = random_images(1, 12, 12)
    memory = np.zeros(images.size + 64, np.uint8)
    moved = memory[offset : offset + images.size].reshape(images.shape)
    moved[:] = images
    backend = compiler.load(path, small_model().image())

    np.testing.assert_array_equal(backend.predict(moved).copy(), backend.predict(images))


def test_read_only_images_are_taken(path: Path, compiler: Compiler) -> None:
    images = random_images(4, 12, 12)
    backend = compiler.load(path, small_model().image(), max_batch_size=4)
    expected = backend.predict(images).copy()
    images.flags.writeable = False

    np.testing.assert_array_equal(backend.predict(images), expected)


def test_the_data_set_decides_the_normalisation(path: Path, compiler: Compiler) -> None:
    model = small_model()
    image = ImageFormat(12, 12, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
    images = random_images(1, 12, 12)

    scores = compiler.load(path, image).predict(images)

    expected = reference(model.onnx(), images, image)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_callers_in_several_threads_get_their_own_scores(path: Path, compiler: Compiler) -> None:
    model = small_model()
    backend = compiler.load(path, model.image())
    images = random_images(40, 12, 12)

    class Answers(dict[int, Any]):
        def completed(self, token: int, scores: Any) -> None:
            self[token] = scores.copy()

        def failed(self, error: BaseException) -> None:
            raise error

    answers = Answers()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: backend.submit(images[i : i + 1], i, answers), range(40)))
    backend.drain()

    expected = reference(model.onnx(), images, model.image())
    found = np.concatenate([answers[i] for i in range(40)])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_honoured(threads: int, path: Path) -> None:
    backend = TVMBackend(backend_config(path, small_model().image(), threads=threads))
    info = backend.load()
    backend.close()
    assert (info.threads, info.requests, info.streams) == (threads, 1, 1)


def test_the_backend_tells_what_it_runs(path: Path) -> None:
    backend = TVMBackend(backend_config(path, small_model().image(), max_batch_size=9))
    info = backend.load()
    backend.close()
    assert (info.name, info.version) == ("tvm", tvm.__version__)
    assert (info.classes, info.max_batch_size, info.data_format) == (7, 9, "NHWC")
    assert info.executed_precision == "f32"
    assert info.convolutions == "batch 1: 3 direct; batch 4: 3 direct"


def test_the_description_tells_how_it_was_compiled(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        content = json.loads(archive.read("model.json"))
        names = set(archive.namelist())
    assert names == {"model.json", "weights.bin", "batch1.so", "batch4.so"}
    assert content["layout"] == "NCHW16c"
    assert content["tvm_version"] == tvm.__version__
    assert content["input_shape"] == [12, 12, 3]
    assert "avx2" in content["features"]
    assert len(content["source_sha256"]) == 64
    assert len(content["tiles"]) == 3


def refusal(path: Path | None, image: ImageFormat | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        TVMBackend(backend_config(path, image or small_model().image())).load()
    return str(caught.value)


def test_a_library_for_another_processor_is_refused(path: Path, tmp_path: Path) -> None:
    wanted = ["avx2", "fma", "avx1024f"]
    message = refusal(edited(path, tmp_path, target="future", features=wanted))
    assert 'compiled for "future"' in message
    assert "lacks avx1024f" in message


def test_another_version_of_tvm_is_refused(path: Path, tmp_path: Path) -> None:
    message = refusal(edited(path, tmp_path, tvm_version="0.9.0"))
    assert "compiled by TVM 0.9.0" in message
    assert f"this is TVM {tvm.__version__}" in message


def test_another_format_is_refused(path: Path, tmp_path: Path) -> None:
    assert "format 99" in refusal(edited(path, tmp_path, format=99))


def test_another_image_size_is_refused(path: Path) -> None:
    image = ImageFormat(224, 224, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert "12×12×3" in refusal(path, image)


def test_a_damaged_library_is_refused(path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        libraries = json.loads(archive.read("model.json"))["libraries"]
    libraries[0]["sha256"] = "0" * 64
    assert "damaged" in refusal(edited(path, tmp_path, libraries=libraries))


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "0" * 64},
        {"offset": 1 << 40},
        {"shape": [1 << 40]},
        {"shape": [-1]},
        {"dtype": "rock"},
        {"winograd": 2},
    ],
)
def test_damaged_weights_are_refused(change: dict[str, Any], path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        weights = json.loads(archive.read("model.json"))["weights"]
    weights[0] |= change
    message = refusal(edited(path, tmp_path, weights=weights))
    assert "damaged" in message
    assert message.startswith(str(tmp_path))


def test_memory_that_is_not_to_be_had_is_named(path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        libraries = json.loads(archive.read("model.json"))["libraries"]
    libraries[0]["working"]["buffers"][0]["count"] = 1 << 55
    message = refusal(edited(path, tmp_path, libraries=libraries))
    assert re.search(r"cannot be loaded: the system gives no \d+ MB of memory", message)


@pytest.mark.parametrize("place", range(8))
def test_wrong_bytes_in_the_archive_are_refused(place: int, path: Path, tmp_path: Path) -> None:
    """Flags and methods in the entries of its directory, of which some are unknown to zipfile."""
    content = bytearray(path.read_bytes())
    entries = [found.start() for found in re.finditer(b"PK\x01\x02", bytes(content))]
    for entry in entries:
        content[entry + 4 + place] ^= 0xFF
    damaged = tmp_path / "damaged.tvm"
    damaged.write_bytes(content)
    try:
        TVMBackend(backend_config(damaged, small_model().image())).load()
    except ModelError as error:
        assert str(damaged) in str(error)


def test_code_that_cannot_be_executed_is_named(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "other.tvm"
    code = b"no machine code"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        content = json.loads(old.read("model.json"))
        content["libraries"][0]["sha256"] = hashlib.sha256(code).hexdigest()
        new.writestr("model.json", json.dumps(content))
        new.writestr("weights.bin", old.read("weights.bin"))
        new.writestr("batch1.so", code)
    message = refusal(target)
    assert message.startswith(f"{target} cannot be loaded: ")
    assert message.endswith("let TMPDIR name another folder.")


def test_a_file_without_libraries_is_refused(path: Path, tmp_path: Path) -> None:
    assert "holds no library" in refusal(edited(path, tmp_path, libraries=[]))


@pytest.mark.parametrize("change", [{"offset": -64}, {"offset": 1 << 62}, {"dtype": "rock"}])
def test_damaged_places_of_values_are_refused(
    change: dict[str, Any], path: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(path) as archive:
        libraries = json.loads(archive.read("model.json"))["libraries"]
    libraries[0]["working"]["buffers"][0] |= change
    assert "damaged" in refusal(edited(path, tmp_path, libraries=libraries))


def test_missing_weights_are_refused(path: Path, tmp_path: Path) -> None:
    assert "lacks weights" in refusal(edited(path, tmp_path, weights=[]))


def test_batches_share_their_weights(path: Path, compiler: Compiler) -> None:
    alone = compiler.compile(small_model().onnx(), batches=(1,))
    assert weight_bytes(path) == weight_bytes(alone) > 20 * 40 * 9 * 4


def weight_bytes(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return archive.getinfo("weights.bin").file_size


@pytest.mark.parametrize("name", ["../batch1.so", "/tmp/batch1.so"])
def test_a_library_outside_of_the_file_is_refused(name: str, path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        libraries = json.loads(archive.read("model.json"))["libraries"]
    libraries[0]["file"] = name
    assert "outside" in refusal(edited(path, tmp_path, libraries=libraries))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "nothing.tvm" in refusal(tmp_path / "nothing.tvm")
    assert "--model" in refusal(None)


def test_another_kind_of_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.tvm"
    path.write_text("not a zip")
    assert "model.tvm is not a model compiled for the tvm backend" in refusal(path)


def test_an_unknown_target_is_refused_with_the_nearest_name(compiler: Compiler) -> None:
    with pytest.raises(UsageError, match=r'Unknown target "znver44".*"znver4"'):
        compiler.compile(small_model().onnx(), target="znver44")


def test_a_target_without_avx2_is_refused(compiler: Compiler) -> None:
    with pytest.raises(UsageError, match="lacks avx2"):
        compiler.compile(small_model().onnx(), target="core2")
