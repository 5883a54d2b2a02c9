"""An ONNX model on a real Triton, run by ONNX Runtime through our own code."""

from pathlib import Path

import numpy as np
import tritonclient.grpc as grpcclient

from mlperf_benchmark.images.transforms import VGG
from tests.network.server.commands import run_serve
from tests.network.server.conftest import NodeStarter
from tests.test_backends import answers, colours
from tests.tiny_models import Tiny
from tests.tiny_onnx import save_onnx

BATCH = 3
CHOICE = ("--backend", "onnxruntime", "--dataset", "imagenet")


def test_labels_are_those_of_the_scores(start: NodeStarter, tmp_path: Path) -> None:
    tiny = Tiny(batch=-1, classes=1001)
    model, repository = save_onnx(tiny, tmp_path), tmp_path / "models"
    done = run_serve("triton", model, *CHOICE, "--threads", 1, output=repository)
    assert done.status == 0, done.stderr
    packages = (repository / "tiny" / "1" / "requirements.txt").read_text().split()
    assert [package.partition("==")[0] for package in packages] == ["numpy", "onnx", "onnxruntime"]
    images = colours(BATCH)
    tensor = grpcclient.InferInput("images", list(images.shape), "UINT8")
    tensor.set_data_from_numpy(images)
    node = start(repository, "onnxruntime-node")
    with grpcclient.InferenceServerClient(node.endpoint) as client:
        wanted = [grpcclient.InferRequestedOutput(name) for name in ("labels", "node")]
        answer = client.infer("tiny", [tensor], outputs=wanted)
    labels = answer.as_numpy("labels")[:, 0]
    assert labels.tolist() == [label - 1 for label in answers(tiny, images, VGG.image)]
    assert b'"name": "onnxruntime"' in np.ascontiguousarray(answer.as_numpy("node")[0]).tobytes()


def test_choices_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = save_onnx(Tiny(batch=-1), tmp_path)
    for arguments, reason in (
        (("triton", model, *CHOICE, "--precision", "f32"), "--precision does not apply"),
        (("triton", model, "--backend", "tvm", "--dataset", "imagenet"), "openvino, onnxruntime"),
        (("triton", model, "--backend", "openvno"), 'Did you mean "openvino"'),
    ):
        done = run_serve(*arguments, output=tmp_path / "models")
        assert done.status == 2
        assert reason in done.error
        assert done.left_nothing
