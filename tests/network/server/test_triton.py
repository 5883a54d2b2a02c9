"""Runs of main.py on the sample model that a real Triton serves."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from mlperf_benchmark.loadgen.accuracy_log import read_predictions
from mlperf_benchmark.models.prepare.sample import Sample
from tests.command import Run, run_main
from tests.conftest import Runner
from tests.network.server.conftest import MAX_BATCH
from tests.network.server.nodes import Node, start_node

IMAGES = 20
MODEL = "efficientnet-lite0"


def options(node: Node, sample: Sample) -> tuple[object, ...]:
    profile = ("--profile", "efficientnet-lite0-kserve", "--endpoint", node.endpoint)
    return (*profile, "--dataset-path", sample.images)


@pytest.fixture(scope="module")
def in_process(sample_options: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> Run:
    output = tmp_path_factory.mktemp("in-process") / "output"
    return run_main(*sample_options, "--scenario", "Offline", "--accuracy", output=output)


def same_answers(run: Run, other: Run) -> bool:
    first, second = (read_predictions(done.output, IMAGES) for done in (run, other))
    return bool((first == second).all())


def test_labels_are_those_of_the_model_in_process(
    benchmark: Runner, pixels_node: Node, sample: Sample, in_process: Run
) -> None:
    done = benchmark(*options(pixels_node, sample), "--scenario", "Offline", "--accuracy")
    assert done.status == 0, done.stderr
    assert (done.result["accuracy"]["good"], done.result["accuracy"]["total"]) == (18, IMAGES)
    assert same_answers(done, in_process)


def test_node_that_decodes_jpeg_gives_the_same_labels(
    benchmark: Runner, jpeg_node: Node, sample: Sample, in_process: Run
) -> None:
    arguments = (*options(jpeg_node, sample), "--payload", "jpeg")
    done = benchmark(*arguments, "--scenario", "Offline", "--accuracy")
    assert done.status == 0, done.stderr
    assert same_answers(done, in_process)


def test_result_tells_what_the_node_does(
    benchmark: Runner, pixels_node: Node, sample: Sample, in_process: Run
) -> None:
    done = benchmark(
        *options(pixels_node, sample), "--scenario", "Offline", "--accuracy", "--count", 2
    )
    (node,) = done.result["backend"]["nodes"]
    assert node["name"] == pixels_node.name
    assert done.result["backend"]["executed_precision"] == "f32"
    assert done.result["model"]["sha256"] == in_process.result["model"]["sha256"]


def test_offline_fills_batches_on_the_node(
    benchmark: Runner, pixels_node: Node, sample: Sample
) -> None:
    before = statistics(pixels_node)
    done = benchmark(*options(pixels_node, sample), "--scenario", "Offline", "--time", 2)
    assert done.status in (0, 3), done.stderr
    after = statistics(pixels_node)
    images = after.inference_count - before.inference_count
    batches = after.execution_count - before.execution_count
    assert images >= done.result["queries"] > 0
    assert images > 1.5 * batches
    assert max(stats.batch_size for stats in after.batch_stats) == MAX_BATCH


def test_server_scenario(benchmark: Runner, pixels_node: Node, sample: Sample) -> None:
    arguments = ("--scenario", "Server", "--qps", 20, "--queries", 40)
    done = benchmark(*options(pixels_node, sample), *arguments)
    assert done.status in (0, 3), done.stderr
    assert done.result["latency_ms"]["p50"] > 0


def test_model_that_the_node_does_not_serve_is_named(
    benchmark: Runner, pixels_node: Node, sample: Sample
) -> None:
    done = benchmark(
        *options(pixels_node, sample), "--scenario", "Offline", "--served-model", "resnet"
    )
    assert done.status != 0
    assert "resnet" in done.error
    assert pixels_node.endpoint in done.error
    assert done.left_nothing


def test_payload_that_the_node_does_not_take_is_refused(
    benchmark: Runner, jpeg_node: Node, sample: Sample
) -> None:
    done = benchmark(*options(jpeg_node, sample), "--scenario", "Offline")
    assert done.status != 0
    assert jpeg_node.endpoint in done.error
    assert done.left_nothing


def test_broken_file_is_the_error_of_its_request(jpeg_node: Node, sample: Sample) -> None:
    """Those that share its batch are answered."""
    content = min(sample.images.glob("*.jpg")).read_bytes()
    files = [content, content[: len(content) // 2], content, b"no image"]
    with (
        grpcclient.InferenceServerClient(jpeg_node.endpoint) as client,
        ThreadPoolExecutor(len(files)) as pool,
    ):
        answers = list(pool.map(lambda file: infer(client, file), files))
    assert [isinstance(answer, float) for answer in answers] == [True, False, True, False]
    assert "truncated" in str(answers[1])


def jpeg(content: bytes) -> grpcclient.InferInput:
    tensor = grpcclient.InferInput("jpeg", [1, len(content)], "UINT8")
    tensor.set_data_from_numpy(np.frombuffer(content, np.uint8)[np.newaxis])
    return tensor


def infer(client: grpcclient.InferenceServerClient, content: bytes) -> float | str:
    try:
        answer = client.infer(
            MODEL, [jpeg(content)], outputs=[grpcclient.InferRequestedOutput("labels")]
        )
    except InferenceServerException as error:
        return str(error.message())
    return float(answer.as_numpy("labels").item())


def statistics(node: Node) -> grpcclient.service_pb2.ModelStatistics:
    with grpcclient.InferenceServerClient(node.endpoint) as client:
        return client.get_inference_statistics(MODEL).model_stats[0]


def test_two_nodes_can_start_at_once_with_a_new_cache(
    triton: None, pixels_repository: Path, tmp_path: Path
) -> None:
    """Both make Triton's backends, which one of them has to find made."""
    cache = tmp_path / "cache"
    with ThreadPoolExecutor() as pool:
        started = [
            pool.submit(start_node, pixels_repository, name, tmp_path, cache_dir=cache)
            for name in ("one", "two")
        ]
        nodes = [future.result() for future in started]
    for node in nodes:
        node.stop()
    (backends,) = (cache / "triton").iterdir()
    assert [path.name for path in backends.iterdir()] == ["python"]
