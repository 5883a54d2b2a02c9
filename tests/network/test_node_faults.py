"""Nodes that go wrong in the middle of a run: no query is lost, none answered twice."""

import signal
import time
from pathlib import Path

import pytest

from mlperf_benchmark.core.errors import InferenceError
from mlperf_benchmark.core.image_format import Images
from tests.command import Run
from tests.conftest import Runner
from tests.network.double import label_of
from tests.network.nodes import PROFILE, cluster, endpoints
from tests.network.runs import ACCURACY, COUNT, answers, expected
from tests.network.test_node_checks import connected
from tests.test_signals import start, wait_until

IN_FLIGHT = 8
SCENARIOS = {
    "Offline": ("--scenario", "Offline", "--queries", 300),
    "Server": ("--scenario", "Server", "--queries", 300, "--qps", 100, "--max-latency", 5),
}


@pytest.fixture(scope="module")
def poison(images: Images) -> int:
    return label_of(images[COUNT - 1].tobytes())


def faulty(fault: str, poison: int) -> tuple[object, ...]:
    return "--name", "faulty", "--fault", fault, "--poison", poison


def run(benchmark: Runner, tmp_path: Path, first: tuple[object, ...], *options: object) -> Run:
    """With the first node as given and a healthy second one; its address becomes ADDRESS.

    The healthy one is so slow that nearly all goes to the other, the poison too.
    """
    healthy = ("--name", "healthy", "--delay", "0.1", "--at-once", IN_FLIGHT)
    with cluster(tmp_path, first, healthy) as nodes:
        limit = ("--in-flight", IN_FLIGHT)
        done = benchmark(*PROFILE, "--count", COUNT, *limit, *options, *endpoints(nodes))
        stderr = done.stderr.replace(nodes[0].endpoint, "ADDRESS")
        return Run(done.status, done.stdout, stderr, done.output)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_node_that_dies_ends_the_run(
    benchmark: Runner, tmp_path: Path, poison: int, scenario: str
) -> None:
    done = run(benchmark, tmp_path, faulty("die", poison), *SCENARIOS[scenario])
    assert done.status == 1
    assert done.error.startswith("Node ADDRESS ")
    assert "not available" in done.error or "cannot be reached" in done.error
    assert done.left_nothing


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("hang", "Node ADDRESS did not answer within the deadline."),
        ("error", "Node ADDRESS answered INTERNAL: the device is lost at line 12."),
        ("nan", "Node ADDRESS answered [nan] in place of one label."),
        ("size", "Node ADDRESS answered 7 labels in place of one."),
        ("no-output", 'Node ADDRESS answered without the output "labels".'),
        ("type", 'Node ADDRESS answered "labels" as 4 bytes of INT64: FP32 is needed.'),
    ],
)
def test_other_faults_end_the_run(
    benchmark: Runner, tmp_path: Path, poison: int, fault: str, reason: str
) -> None:
    # A node that answers nonsense is not lost.
    on_loss = "fail" if fault == "hang" else "continue"
    options = ("--on-node-loss", on_loss, "--deadline", 1, *SCENARIOS["Offline"])
    done = run(benchmark, tmp_path, faulty(fault, poison), *options)
    assert done.status == 1
    assert reason in done.error
    assert done.left_nothing


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("size", "answered 7 scores in place of 1000"), ("nan", "answered NaN scores")],
)
def test_scores_that_are_none_end_the_run(
    tmp_path: Path, images: Images, poison: int, fault: str, reason: str
) -> None:
    """A model of scores, asked for the sample that it answers so."""
    node = (*faulty(fault, poison), "--scores", 1000)
    with cluster(tmp_path, node) as nodes, connected(nodes[0].endpoint) as backend:
        backend.load()
        with pytest.raises(InferenceError) as caught:
            backend.predict(images[COUNT - 1 :])
    assert str(caught.value) == f"Node {nodes[0].endpoint} {reason}."


def test_second_answer_to_a_request_is_none(
    benchmark: Runner, tmp_path: Path, images: Images, poison: int
) -> None:
    with cluster(tmp_path, faulty("twice", poison)) as nodes:
        done = benchmark(*ACCURACY, *endpoints(nodes))
    assert done.status == 0, done.stderr
    assert answers(done) == expected(images)


@pytest.mark.parametrize("fault", ["die", "hang"])
def test_run_goes_on_without_a_lost_node(
    benchmark: Runner, tmp_path: Path, images: Images, poison: int, fault: str
) -> None:
    options = ("--on-node-loss", "continue", "--deadline", 1, "--in-flight", 4)
    # The healthy node is so slow that the other gets the poison, which comes last, busy as this
    # machine may be.
    with cluster(tmp_path, faulty(fault, poison), ("--delay", "0.2")) as nodes:
        done = benchmark(*ACCURACY, *options, *endpoints(nodes))
        seen = nodes[1].labels
    assert done.status == 3, done.stderr
    assert answers(done) == expected(images)
    assert seen[poison] == 1
    assert done.result["validity"] == "INVALID"
    assert done.result["rules"] == "modified"
    lost, healthy = done.result["backend"]["nodes"]
    assert lost["lost"]
    assert healthy["lost"] is None
    [reason] = done.result["invalid_reasons"]
    assert nodes[0].endpoint in reason
    assert "sent again" in reason
    assert f"node {nodes[0].endpoint} lost" in done.result["rule_differences"]


def test_performance_run_without_a_node_is_invalid(
    benchmark: Runner, tmp_path: Path, poison: int
) -> None:
    options = ("--on-node-loss", "continue", *SCENARIOS["Offline"])
    done = run(benchmark, tmp_path, faulty("die", poison), *options)
    assert done.status == 3
    assert done.result["validity"] == "INVALID"
    assert done.result["queries"] == 1
    assert done.detail["sut_name"] == "Network SUT: faulty, healthy"
    summary = (done.output / "mlperf_log_summary.txt").read_text()
    assert "Network SUT: faulty (lost), healthy" in summary


def test_no_node_left_ends_the_run(benchmark: Runner, tmp_path: Path, poison: int) -> None:
    mortal = faulty("die", poison)
    with cluster(tmp_path, mortal, mortal) as nodes:
        done = benchmark(*ACCURACY, "--on-node-loss", "continue", *endpoints(nodes))
    assert done.status == 1
    assert done.error.startswith("No node is left")
    assert done.left_nothing


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_can_be_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    output = tmp_path / "output"
    with cluster(tmp_path, ("--delay", "0.05")) as nodes:
        process = start(
            [
                *(*PROFILE, "--scenario", "Offline", "--queries", 10_000, "--output", output),
                *("--in-flight", 4),
                *(*endpoints(nodes), "--cache-dir", tmp_path),
            ]
        )
        try:
            log = output / ".incomplete" / "mlperf_log_detail.txt"
            wait_until(log.exists, process)
            time.sleep(0.5)
            process.send_signal(number)
            _, stderr = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 128 + number
    assert "no result was written" in stderr
    assert not output.exists()
