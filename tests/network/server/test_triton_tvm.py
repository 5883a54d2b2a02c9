"""A model compiled by TVM, with a background class, on a real Triton."""

from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as grpcclient

from mlperf_benchmark.images.transforms import VGG
from tests.network.server.commands import run_serve
from tests.network.server.conftest import NodeStarter
from tests.tvm_compiler.conftest import Compiler
from tests.tvm_compiler.graphs import Model, random_images, reference

SIDE = 224
BATCH = 5


def small_model() -> Model:
    return Model(SIDE, SIDE).conv(16, 3, stride=4).relu().classifier(1001)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled")
    return Compiler(folder).compile(small_model().onnx(), batches=(1, 4))


def test_labels_are_those_of_the_scores(compiled: Path, start: NodeStarter, tmp_path: Path) -> None:
    arguments = ("triton", compiled, "--name", "tiny", "--dataset", "imagenet", "--threads", 1)
    repository = tmp_path / "models"
    done = run_serve(*arguments, output=repository)
    assert done.status == 0, done.stderr
    images = random_images(BATCH, SIDE, SIDE)
    images //= np.arange(1, BATCH + 1, dtype=np.uint8)[:, None, None, None]
    tensor = grpcclient.InferInput("images", list(images.shape), "UINT8")
    tensor.set_data_from_numpy(images)
    node = start(repository, "tvm-node")
    with grpcclient.InferenceServerClient(node.endpoint) as client:
        wanted = [grpcclient.InferRequestedOutput("labels")]
        labels = client.infer("tiny", [tensor], outputs=wanted).as_numpy("labels")
    scores = reference(small_model().onnx(), images, VGG.image)
    assert labels[:, 0].tolist() == (scores.argmax(axis=1) - 1).tolist()


def test_model_server_cannot_run_it(compiled: Path, tmp_path: Path) -> None:
    arguments = ("ovms", compiled, "--dataset", "imagenet")
    done = run_serve(*arguments, output=tmp_path / "models")
    assert done.status == 2
    assert "Triton can" in done.error
    assert done.left_nothing
