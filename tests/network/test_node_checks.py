"""What is found out about nodes before LoadGen starts: one line that names the node."""

import dataclasses
import json
import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from backend import BackendConfig, BackendInfo
from backend_kserve import KServeBackend
from mlperf_benchmark.core.errors import BenchmarkError, InferenceError, ModelError
from mlperf_benchmark.core.image_format import Images
from mlperf_benchmark.core.network_config import NetworkConfig
from mlperf_benchmark.images.synthetic import Synthetic
from mlperf_benchmark.network.served_model import ServedModel
from tests.conftest import Runner
from tests.network.nodes import LOOPBACK, PROFILE, cluster, endpoints, started
from tests.network.runs import ACCURACY

NETWORK = NetworkConfig(
    endpoints=(),
    served_model="resnet50",
    model_version=None,
    deadline=5,
    in_flight=4,
    on_node_loss="fail",
    payload="pixels",
    tls_ca=None,
    tls_cert=None,
    tls_key=None,
    token_file=None,
)


def served(sha256: str) -> str:
    """The parameter of a model in a repository."""
    return ServedModel(
        name="resnet50",
        payload="pixels",
        model={"path": "m.xml", "sha256": sha256, "bytes": 7, "description": None},
        dataset="imagenet_pytorch",
        image=Synthetic.image,
        classes=1000,
        label_offset=0,
        backend="openvino",
        precision="f32",
        max_batch_size=8,
        instances=1,
        threads=None,
        files={},
    ).to_json()


@contextmanager
def connected(*addresses: str, **changes: Any) -> Iterator[KServeBackend]:
    network = dataclasses.replace(NETWORK, endpoints=addresses, **changes)
    backend = KServeBackend(
        BackendConfig(
            model=None,
            image=Synthetic.image,
            goal="throughput",
            cache_dir=Path("none"),
            network=network,
        )
    )
    try:
        yield backend
    finally:
        backend.close()


def load(*addresses: str, **changes: Any) -> BackendInfo:
    with connected(*addresses, **changes) as backend:
        return backend.load()


def refusal(*addresses: str, **changes: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load(*addresses, **changes)
    return str(caught.value)


def test_node_that_is_down_is_named(benchmark: Runner, tmp_path: Path) -> None:
    with cluster(tmp_path, ()) as nodes:
        arguments = (*PROFILE, "--scenario", "Offline")
        done = benchmark(*arguments, "--endpoint", f"{nodes[0].endpoint},127.0.0.1:1")
    assert done.status == 2
    assert done.error.startswith("Node 127.0.0.1:1 cannot be reached (Connection refused")
    assert done.left_nothing


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--datatype", "INT8"), "takes images INT8 [-1, 224, 224, 3]: the data set has"),
        (("--shape", "[-1, 96, 96, 3]"), "has images of 224×224"),
        (("--shape", "[8, 224, 224, 3]"), "a query is one sample and is not padded"),
        (("--datatype", "BYTES", "--shape", "[-1, 1]"), "use --payload jpeg"),
        (("--shape", "[-1, -1]"), "use --payload jpeg"),
        (("--scores", "10"), "answers scores FP32 [-1, 10]: labels [-1, 1] is needed"),
        (("--model-not-ready",), 'the model "resnet50" is not ready'),
        (("--empty-metadata",), 'the model "resnet50" does not report its inputs and outputs'),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, options: tuple[str, ...], reason: str) -> None:
    with started(tmp_path, *options) as node:
        message = refusal(node.endpoint)
    assert message.startswith(f"Node {node.endpoint}: ")
    assert reason in message


def test_pixels_where_files_are_sent_are_named(tmp_path: Path) -> None:
    with started(tmp_path) as node:
        assert "use --payload pixels" in refusal(node.endpoint, payload="jpeg")


def test_unknown_model_is_named(tmp_path: Path) -> None:
    with started(tmp_path) as node:
        message = refusal(node.endpoint, served_model="resnet")
    assert message == f"Node {node.endpoint} answered NOT_FOUND: unknown model resnet."


@pytest.mark.parametrize("lacking", ["ModelReady", "ServerMetadata"])
def test_calls_that_can_be_done_without(benchmark: Runner, tmp_path: Path, lacking: str) -> None:
    with started(tmp_path, "--lacks", lacking, "--not-ready") as node:
        done = benchmark(*ACCURACY, *endpoints([node]))
    assert done.status == 0, done.stderr
    nameless = lacking == "ServerMetadata"
    [told] = done.result["backend"]["nodes"]
    assert told["name"] == (node.endpoint if nameless else "double")
    assert ("a node without a name of its own" in done.result["rule_differences"]) == nameless


def test_server_without_metadata_is_named(tmp_path: Path) -> None:
    with started(tmp_path, "--lacks", "ModelMetadata") as node:
        message = refusal(node.endpoint)
    assert message.startswith(f"Node {node.endpoint} does not report a model's inputs and outputs")


def test_only_the_model_must_be_ready(tmp_path: Path) -> None:
    """Triton is not ready while one of its other models is broken."""
    with started(tmp_path, "--not-ready") as node:
        assert load(node.endpoint).nodes


def test_what_a_server_says_itself_is_no_lost_connection(tmp_path: Path) -> None:
    with started(tmp_path, "--unavailable") as node:
        message = refusal(node.endpoint)
    assert message == f"Node {node.endpoint} is not available (the model is being loaded)."


def test_version_is_asked_for_in_every_call(benchmark: Runner, tmp_path: Path) -> None:
    with started(tmp_path, "--versions", "1", "3", "--expects-version", "1") as node:
        done = benchmark(*ACCURACY, "--model-version", "1", *endpoints([node]))
        missing = refusal(node.endpoint, model_version="2")
    assert done.status == 0, done.stderr
    assert done.result["config"]["network"]["model_version"] == "1"
    assert done.result["backend"]["nodes"][0]["model_version"] == "1"
    assert not any("--model-version" in warning for warning in done.result["warnings"])
    assert missing == (
        f'Node {node.endpoint}: the model "resnet50" has no version 2, but 1, 3 (--model-version).'
    )


def test_server_that_ignores_the_version_is_named(tmp_path: Path, images: Images) -> None:
    """Its figures would be those of another model."""
    with started(tmp_path, "--all-versions", "--versions", "1") as node:
        assert "has no version 2, but 1" in refusal(node.endpoint, model_version="2")
    with (
        started(tmp_path, "--versions", "1", "2", "--answers-version", "1") as node,
        connected(node.endpoint, model_version="2") as backend,
    ):
        backend.load()
        with pytest.raises(InferenceError) as caught:
            backend.predict(images[:1])
    assert str(caught.value) == f"Node {node.endpoint} answered as version 1, not 2."


def test_versions_that_nobody_chose_among_are_told(tmp_path: Path) -> None:
    with started(tmp_path, "--versions", "1", "10", "9") as node, connected(node.endpoint) as it:
        [told] = it.load().nodes
        warnings = it.report(0).warnings
    assert told.model_version == "10"
    assert any("holds the versions 1, 10, 9 of the model" in warning for warning in warnings)


def test_nodes_of_different_versions_are_named(tmp_path: Path) -> None:
    with cluster(tmp_path, (), ("--versions", "2")) as nodes:
        message = refusal(*(node.endpoint for node in nodes))
    assert "serves another version of the model" in message


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks HTTP/1, not gRPC: give the node's gRPC port"),
        (b"<!DOCTYPE HTML>\n<html></html>", "speaks HTTP/1, not gRPC"),
        (b"SSH-2.0-OpenSSH\r\n", 'does not speak gRPC, but greets with "SSH-2.0-OpenSSH"'),
    ],
)
def test_port_of_another_service_is_named(greeting: bytes, reason: str) -> None:
    with socketserver.ThreadingTCPServer((LOOPBACK, 0), greeter(greeting)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        message = refusal(f"{LOOPBACK}:{server.server_address[1]}")
        server.shutdown()
    assert reason in message


def greeter(greeting: bytes) -> type[socketserver.BaseRequestHandler]:
    class Greeter(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1024)
            self.request.sendall(greeting)

    return Greeter


def test_grpc_server_of_another_service_is_named() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    message = refusal(f"{LOOPBACK}:{port}")
    server.stop(None)
    assert "does not speak the Open Inference Protocol (KServe v2)" in message


def test_nodes_must_serve_one_model(tmp_path: Path) -> None:
    one, two = ("--served-model", served("aa")), ("--served-model", served("bb"))
    with cluster(tmp_path, one, one, two) as nodes:
        addresses = [node.endpoint for node in nodes]
        assert len(load(*addresses[:2]).nodes) == 2
        message = refusal(*addresses)
    assert message.startswith(f"Node {addresses[2]} serves another model (sha256)")


def test_model_and_node_come_into_the_result(benchmark: Runner, tmp_path: Path) -> None:
    runtime = {"threads": 2, "streams": 1, "executed_precision": "int8", "hostname": "n1"}
    options = ("--served-model", served("aa"), "--runtime", json.dumps(runtime), "--name", "n1")
    with started(tmp_path, *options) as node:
        done = benchmark(
            *(*PROFILE, "--count", 5, "--scenario", "Offline", "--queries", 20),
            *endpoints([node]),
        )
    assert done.status == 0, done.stderr
    model = done.result["model"]
    assert model == {"path": "m.xml", "sha256": "aa", "bytes": 7, "description": None}
    [told] = done.result["backend"]["nodes"]
    assert told["name"] == "n1"
    assert told["model"] == "resnet50"
    assert told["runtime"] == runtime
    assert "int8, on 1 node, 2 threads, 1 stream" in done.stdout


def test_parameter_that_is_not_understood_is_named(tmp_path: Path) -> None:
    with started(tmp_path, "--served-model", '{"schema": 99}') as node:
        assert "not understood: schema 99" in refusal(node.endpoint)


def test_other_errors_are_of_the_tree(tmp_path: Path) -> None:
    """A server that speaks something else."""
    with started(tmp_path) as node, pytest.raises(BenchmarkError):
        load(node.endpoint, tls_ca=tmp_path / "missing.pem")


@pytest.mark.parametrize(("load_of_client", "said"), [(0.3, False), (0.95, True)])
def test_client_that_is_the_limit_says_so(
    tmp_path: Path, load_of_client: float, said: bool
) -> None:
    with started(tmp_path) as node, connected(node.endpoint) as backend:
        backend.load()
        warnings = backend.report(load_of_client).warnings
    assert any("The client was busy for 95%" in warning for warning in warnings) == said
