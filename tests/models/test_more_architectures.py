"""ResNet-18, MobileNetV2 and DeiT-Tiny, the latter two cut short where they are made into files."""

import dataclasses
import hashlib
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from backend import BACKENDS, Backend
from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.images.transforms import PYTORCH
from mlperf_benchmark.models.architectures import deit, mobilenetv2
from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES, Architecture
from mlperf_benchmark.models.architectures.sources import Download
from mlperf_benchmark.models.architectures.weights import load_weights
from mlperf_benchmark.models.files.description import read_description
from mlperf_benchmark.models.optimize.config import PruningConfig
from mlperf_benchmark.models.optimize.macs import count_macs, count_parameters
from mlperf_benchmark.models.optimize.pruning.pruner import prune
from mlperf_benchmark.models.optimize.quantizers import rounding
from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.models.prepare.preparer import prepare_model
from tests.models.conftest import load
from tests.test_backends import configuration
from tests.tvm_compiler.graphs import random_images

RUN = {
    "mobilenetv2": ["onnxruntime", "openvino", "torch", "tvm"],
    "deit-tiny": ["onnxruntime", "openvino", "torch"],
}


@pytest.mark.parametrize(
    ("name", "keys", "gmacs", "parameters"),
    [
        # https://docs.pytorch.org/vision/stable/models.html states parameters and GFLOPS.
        ("resnet18", 122, 1.81, 11_689_512),
        ("mobilenetv2", 314, 0.30, 3_504_872),
        # timm's; products of two activations, 0.18 G of the 1.26 G published, are not counted.
        ("deit-tiny", 152, 1.08, 5_717_416),
    ],
)
def test_sizes_are_those_published(
    name: str, keys: int, gmacs: float, parameters: int, cache_dir: Path
) -> None:
    module = load(name, "random", cache_dir)
    assert len(module.state_dict()) == keys
    assert count_parameters(module) == parameters
    assert count_macs(module, 224) == pytest.approx(1e9 * gmacs, rel=0.01)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        (
            "resnet18",
            {
                "conv1.weight": (64, 3, 7, 7),
                "layer2.0.downsample.0.weight": (128, 64, 1, 1),
                "layer4.1.bn2.running_var": (512,),
                "fc.weight": (1000, 512),
            },
        ),
        (
            "mobilenetv2",
            {
                "features.0.0.weight": (32, 3, 3, 3),
                "features.1.conv.0.1.running_mean": (32,),
                "features.1.conv.1.weight": (16, 32, 1, 1),
                "features.2.conv.1.0.weight": (96, 1, 3, 3),
                "features.17.conv.3.weight": (320,),
                "features.18.0.weight": (1280, 320, 1, 1),
                "classifier.1.bias": (1000,),
            },
        ),
        (
            "deit-tiny",
            {
                "cls_token": (1, 1, 192),
                "pos_embed": (1, 197, 192),
                "patch_embed.proj.weight": (192, 3, 16, 16),
                "blocks.11.attn.qkv.bias": (576,),
                "blocks.0.mlp.fc1.weight": (768, 192),
                "norm.weight": (192,),
                "head.weight": (1000, 192),
            },
        ),
    ],
)
def test_parameters_have_the_published_names(
    name: str, published: dict[str, tuple[int, ...]]
) -> None:
    state = ARCHITECTURES.load(name).build().state_dict()
    assert {key: tuple(state[key].shape) for key in published} == published


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2", "deit-tiny"])
def test_published_files_are_named_by_their_checksum(name: str) -> None:
    [source] = ARCHITECTURES.load(name).weight_sources.values()
    assert isinstance(source, Download)
    assert len(source.sha256_prefix) == 8
    assert source.url.startswith("https://")
    assert source.url.endswith(f"-{source.sha256_prefix}.pth")


def test_published_weights_are_downloaded_and_verified(tmp_path: Path) -> None:
    """As DeiT's authors publish them, beside nothing else in one mapping."""
    module = deit.DeiT()
    nn.init.normal_(module.pos_embed)
    buffer = io.BytesIO()
    torch.save({"model": module.state_dict()}, buffer)
    content = buffer.getvalue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    def published(url: str, prefix: str) -> Architecture:
        sources = {"deit": Download(f"{url}/deit.pth", prefix)}
        return dataclasses.replace(deit.architecture, weight_sources=sources)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        prefix = hashlib.sha256(content).hexdigest()[:8]
        loaded = load_weights(
            published(url, prefix), "deit", seed=0, cache_dir=tmp_path, progress=lambda *_: None
        )
        with pytest.raises(ModelError, match="is not the published file"):
            load_weights(
                published(url, "00000000"),
                "deit",
                seed=0,
                cache_dir=tmp_path / "other",
                progress=lambda *_: None,
            )
        server.shutdown()
    assert torch.equal(loaded.module.get_parameter("pos_embed"), module.pos_embed)
    assert loaded.weights.sha256 == hashlib.sha256(content).hexdigest()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two blocks of DeiT, three of MobileNetV2, and a learning that is not."""
    monkeypatch.setattr(deit, "DEPTH", 2)
    monkeypatch.setattr(mobilenetv2, "STAGES", ((1, 16, 1, 4), (6, 24, 2, 2)))
    monkeypatch.setattr(rounding, "ITERATIONS", 5)


def prepare(folder: Path, name: str, *options: object) -> Path:
    words = (name, "--weights", "random", "--output", folder, *options)
    return prepare_model(parse([str(word) for word in words]))


def scores(backend_name: str, model: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    kind: type[Backend] = BACKENDS.load(backend_name)
    backend = kind(configuration(model, image=PYTORCH.image))
    backend.load()
    found = np.stack([backend.predict(one[None])[0].copy() for one in images])
    backend.close()
    return found


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", ["mobilenetv2", "deit-tiny"])
def test_they_are_pruned_and_run_on_every_backend(name: str, tmp_path: Path) -> None:
    images = random_images(2, 224, 224)
    found = {}
    for backend in RUN[name]:
        compilation = ("--batches", 1) if backend == "tvm" else ()
        made = prepare(tmp_path, name, "--prune", 0.2, "--backend", backend, *compilation)
        found[backend] = scores(backend, made, images)
        description = read_description(made)
        assert description is not None
        assert description.pruning is not None
        assert description.pruning.reached == pytest.approx(0.2, rel=0.02)
    for answers in found.values():
        assert np.abs(answers - found["torch"]).max() < 1e-4 * np.abs(found["torch"]).max()


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("quantizer", ["adaround", "nncf", "onnxruntime"])
def test_a_transformer_is_quantized(quantizer: str, tmp_path: Path) -> None:
    images = random_images(2, 224, 224)
    expected = scores("torch", prepare(tmp_path, "deit-tiny", "--backend", "torch"), images)
    options = ("--precision", "int8", "--quantizer", quantizer, "--calibration-count", 4)
    made = prepare(tmp_path, "deit-tiny", "--backend", "onnxruntime", *options)
    answers = scores("onnxruntime", made, images)
    # Softmax of random weights is steep, and multiplies what rounding does to single scores.
    assert 0.9 < np.corrcoef(answers.ravel(), expected.ravel())[0, 1] < 1 - 1e-6


@pytest.mark.usefixtures("short")
def test_tvm_computes_a_transformer_or_names_what_it_cannot(tmp_path: Path) -> None:
    try:
        made = prepare(tmp_path, "deit-tiny", "--backend", "tvm", "--batches", 1)
    except ModelError as error:
        assert "is not supported" in str(error)
        return
    images = random_images(2, 224, 224)
    expected = scores("torch", prepare(tmp_path, "deit-tiny", "--backend", "torch"), images)
    assert np.abs(scores("tvm", made, images) - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.usefixtures("short")
def test_of_a_transformer_the_hidden_layers_alone_lose_channels(tmp_path: Path) -> None:
    made = prepare(tmp_path, "deit-tiny", "--prune", 0.2, "--backend", "torch")
    pruned = torch.load(made, weights_only=True)
    whole = deit.DeiT().state_dict()
    changed = {key for key, value in pruned.items() if value.shape != whole[key].shape}
    assert changed == {
        f"blocks.{block}.mlp.{layer}"
        for block in range(2)
        for layer in ("fc1.weight", "fc1.bias", "fc2.weight")
    }
    with pytest.raises(UsageError, match="cannot be reached: the nearest"):
        prepare(tmp_path, "deit-tiny", "--prune", 0.9, "--name", "too-much")


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("method", ["activation", "obs", "taylor"])
def test_channels_of_tokens_are_judged_by_images(method: str) -> None:
    torch.manual_seed(0)
    module = deit.DeiT().eval()
    before = count_macs(module, 224)
    config = PruningConfig(0.2, method, "fisher" if method == "obs" else "global")
    prune(module, 224, config, 0, [torch.randn(2, 3, 224, 224)])
    assert 1 - count_macs(module, 224) / before == pytest.approx(0.2, rel=0.02)
