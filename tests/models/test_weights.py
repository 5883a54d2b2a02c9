"""Weights come from where `--weights` says, or one clear line says why not."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mlperf_benchmark.core.errors import ModelError, OutputError, UnknownNameError
from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.checkpoint import resize
from mlperf_benchmark.models.architectures.sources import Download, PackagedFile
from mlperf_benchmark.models.architectures.weights import load_weights
from mlperf_benchmark.models.prepare.preparer import prepare_model
from mlperf_benchmark.models.prepare.recipe import Recipe
from tests.models.conftest import load

CONTENT = bytes(range(256)) * 20_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def ignore(_received: int, _expected: int) -> None:
    """No progress wanted."""


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT, whole or cut, or an error."""

    def do_GET(self) -> None:
        if self.path == "/missing.pth":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000] if self.path == "/cut.pth" else CONTENT)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def web_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_download_is_verified_and_kept(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    with web_server() as url:
        source = Download(f"{url}/weights.pth", SHA256[:8])
        file = source.locate(tmp_path, lambda *call: calls.append(call))
    assert file.read_bytes() == CONTENT
    assert calls[-1] == (len(CONTENT), len(CONTENT))
    assert source.locate(tmp_path, ignore) == file, "the server is gone, the file is not"
    assert [entry.name for entry in file.parent.iterdir()] == ["weights.pth"]


def test_damaged_cached_file_is_downloaded_again(tmp_path: Path) -> None:
    with web_server() as url:
        source = Download(f"{url}/weights.pth", SHA256[:8])
        source.locate(tmp_path, ignore).write_bytes(b"damaged")
        assert source.locate(tmp_path, ignore).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "sha256", "message"),
    [
        ("weights.pth", "00000000", "is not the published file"),
        ("missing.pth", SHA256[:8], "404"),
        ("cut.pth", SHA256[:8], "cut after 1000 of 5120000 bytes"),
    ],
)
def test_failed_download_says_why_and_leaves_nothing(
    tmp_path: Path, name: str, sha256: str, message: str
) -> None:
    with web_server() as url, pytest.raises(ModelError, match=message) as caught:
        Download(f"{url}/{name}", sha256).locate(tmp_path, ignore)
    assert "--weights FILE" in str(caught.value)
    assert list((tmp_path / "weights").iterdir()) == []


def test_unreachable_server_is_named(tmp_path: Path) -> None:
    with web_server() as url:
        pass
    with pytest.raises(ModelError, match="Cannot download http://127"):
        Download(f"{url}/weights.pth", SHA256[:8]).locate(tmp_path, ignore)


def test_cache_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(OutputError, match="cache"):
        Download("http://127.0.0.1:1/weights.pth", SHA256[:8]).locate(tmp_path / "cache", ignore)


def test_missing_package_is_answered_with_its_installation(tmp_path: Path) -> None:
    source = PackagedFile("no_such_package", "weights.pth", SHA256, "no-such-package==1.0")
    with pytest.raises(ModelError, match="Python package no_such_package is missing"):
        source.locate(tmp_path, ignore)


def test_state_dict_file_gives_the_same_module(tmp_path: Path, resnet50: nn.Module) -> None:
    file = tmp_path / "weights.pth"
    torch.save(resnet50.state_dict(), file)
    loaded = load("resnet50", str(file), tmp_path).state_dict()
    for key, value in resnet50.state_dict().items():
        assert torch.equal(loaded[key], value), key


def test_random_weights_depend_on_the_seed_alone(tmp_path: Path, resnet50: nn.Module) -> None:
    again = load("resnet50", "random", tmp_path).state_dict()
    assert all(torch.equal(again[key], value) for key, value in resnet50.state_dict().items())


class Positions(nn.Module):
    """Weights that it draws itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.positions = nn.Parameter(torch.randn(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = (self.conv(x) + self.positions).mean((2, 3))
        return scores


def test_what_a_module_draws_itself_depends_on_the_seed(tmp_path: Path) -> None:
    architecture = Architecture("positions", Positions, 8, "imagenet_pytorch", {}, "mixed")
    first, again, other = (
        load_weights(architecture, "random", seed=seed, cache_dir=tmp_path, progress=ignore)
        for seed in (1, 1, 2)
    )
    assert torch.equal(
        first.module.get_parameter("positions"), again.module.get_parameter("positions")
    )
    assert not torch.equal(
        first.module.get_parameter("positions"), other.module.get_parameter("positions")
    )


def test_groups_of_convolutions_stay() -> None:
    net = nn.Sequential(nn.Conv2d(8, 8, 3, groups=2), nn.Conv2d(8, 16, 3, groups=8))
    resize(net, net.state_dict())
    assert [layer.groups for layer in net] == [2, 8]
    assert net(torch.zeros(1, 8, 9, 9)).shape == (1, 16, 5, 5)


def test_weights_of_another_model_are_answered_with_the_keys(
    tmp_path: Path, lite0: nn.Module
) -> None:
    file = tmp_path / "lite0.pth"
    torch.save(lite0.state_dict(), file)
    with pytest.raises(ModelError) as caught:
        load("resnet50", str(file), tmp_path)
    message = str(caught.value)
    assert "267 missing (conv1.weight, " in message
    assert "296 unexpected (_conv_stem.weight, " in message
    assert "\n" not in message


def test_weights_of_another_shape_are_answered_with_the_shapes(
    tmp_path: Path, lite0: nn.Module
) -> None:
    state = lite0.state_dict() | {"_fc.weight": torch.zeros(10, 1280)}
    file = tmp_path / "ten.pth"
    torch.save(state, file)
    with pytest.raises(ModelError, match=r"_fc.weight \(10, 1280\) instead of \(1000, 1280\)"):
        load("efficientnet-lite0", str(file), tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("layer1.0.conv1.weight", float("nan"), "1 of 4096 values NaN"),
        ("fc.bias", float("inf"), "1 of 1000 values infinite"),
        ("bn1.running_var", -1.0, "1 of 64 values negative"),
    ],
)
def test_weights_that_are_no_numbers_are_refused_by_layer(
    tmp_path: Path, resnet50: nn.Module, key: str, value: float, fault: str
) -> None:
    state = resnet50.state_dict()
    state[key].view(-1)[3] = value
    file = tmp_path / "diverged.pth"
    torch.save(state, file)
    with pytest.raises(ModelError, match=rf"diverged\.pth holds .*: {key} \({fault}\)\. "):
        prepare_model(Recipe("resnet50", str(file), output=tmp_path / "models"))
    assert not (tmp_path / "models").exists()


class Evil:
    """Unpickling it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.target,)


def test_code_in_a_weights_file_is_not_executed(tmp_path: Path) -> None:
    file = tmp_path / "evil.pth"
    torch.save({"conv1.weight": Evil(tmp_path / "executed")}, file)
    with pytest.raises(ModelError, match="holds more than tensors"):
        load("resnet50", str(file), tmp_path)
    assert not (tmp_path / "executed").exists()


def test_missing_file_and_misspelt_source_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weights file nowhere/weights\.pth"):
        load("resnet50", "nowhere/weights.pth", tmp_path)
    with pytest.raises(UnknownNameError, match='Did you mean "torchvision"'):
        load("resnet50", "torchvison", tmp_path)
